from survkit.metrics.names import (
    higher_is_better,
    of_cause,
    raised_by_resampling,
    split_cause,
    stands_over_cuts,
    within_range,
)


def test_what_is_said_of_a_metric_is_said_of_that_of_a_cause():
    assert split_cause("brier@t=0.5") == ("", "brier@t=0.5")
    assert split_cause("relapse/brier@50") == ("relapse", "brier@50")
    assert [of_cause(cause, "auc@25") for cause in ("", "death")] == ["auc@25", "death/auc@25"]
    for metric in ("auc@50", "ece/auc@50"):  # a cause may be called like a metric
        assert higher_is_better(metric)
        assert not raised_by_resampling(metric)
        assert within_range(metric, (-0.1, 0.2)) == (-0.1, 0.2)
    for metric in ("ece", "ece_equal_mass@t=3", "auc/ece", "death/aj_calibration"):
        assert not higher_is_better(metric)
        assert raised_by_resampling(metric)
        assert within_range(metric, (-0.1, 0.2)) == (0.0, 0.2)


def test_metrics_over_cuts():
    for metric in ("brier", "relapse/brier", "relapse/concordance", "relapse/aj_calibration"):
        assert stands_over_cuts(metric)
    for metric in ("loss", "concordance", "concordance_td", "relapse/concordance_td"):
        assert not stands_over_cuts(metric)
