"""Makes docs/cohort.csv, a simulated cohort in the state in which hospitals export tables.

python docs/make_cohort.py
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np

N = 320
LAST_CONTACT = date(2024, 6, 30)


def cohort() -> str:
    """Return the table as R's write.csv2 writes it: row numbers, semicolons, decimal commas."""
    random = np.random.default_rng(2024)
    age = random.normal(64, 11, N).clip(25, 92)
    sex = random.choice(["f", "m"], N)
    stage = random.choice(["I", "II", "III", "IV"], N, p=[0.2, 0.3, 0.3, 0.2])
    ecog = random.choice([0, 1, 2, 3], N, p=[0.35, 0.4, 0.18, 0.07])
    crp = random.lognormal(2.2, 1.0, N)
    albumin = random.normal(39, 5, N).clip(18, 52)
    arm = random.choice(["standard", "new"], N)
    risk = (
        0.035 * (age - 64)
        + np.array([dict(I=-0.8, II=-0.3, III=0.3, IV=1.0)[s] for s in stage])
        + 0.35 * (ecog - 1)
        + 0.3 * (np.log(crp) - 2.2)
        - 0.04 * (albumin - 39)
        - 0.45 * (arm == "new")
    )
    months = 38 * (random.exponential(size=N) * np.exp(-risk)) ** (1 / 1.3)
    included = [date(2018, 1, 1) + timedelta(days=int(d)) for d in random.integers(0, 1900, N)]
    followed = np.array([(LAST_CONTACT - day).days for day in included])
    left = np.where(random.uniform(size=N) < 0.12, random.uniform(0.1, 1, N), 1.0)
    days = np.maximum(np.minimum(months * 30.4375, followed * left).round(), 1)
    dead = months * 30.4375 <= followed * left
    missing = random.uniform(size=(N, 2)) < (0.08, 0.05)
    rows = [
        '"";"patient";"included";"last_seen";"status";"age";"sex";"stage";"ecog";"crp";"albumin";"arm";"hospital"'
    ]
    for i in range(N):
        cells = [
            f'"P-{1000 + 7 * i}"',
            f'"{included[i]}"',
            f'"{included[i] + timedelta(days=int(days[i]))}"',
            '"dead"' if dead[i] else '"alive"',
            f"{age[i]:.1f}".replace(".", ","),
            f'"{sex[i].upper() if i % 53 == 7 else sex[i]}"',
            f'"{stage[i]}"',
            str(ecog[i]),
            '""' if missing[i, 0] else '"<3"' if crp[i] < 3 else f"{crp[i]:.1f}".replace(".", ","),
            "NA" if missing[i, 1] else f"{albumin[i]:.0f}",
            f'"{arm[i]}"',
            '"A"',
        ]
        rows.append(";".join([f'"{i + 1}"', *cells]))
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("cohort.csv").write_text(cohort(), "utf-8")
