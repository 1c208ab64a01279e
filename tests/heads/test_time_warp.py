import pytest
import torch
from scipy.special import betainc
from torch.func import grad, vmap

from survkit.heads.beta_quantile import beta_quantile
from survkit.heads.time_warp import (
    MAX_SLOPE,
    MIN_SLOPE,
    TwoLogistics,
    inverse_beta_cdf,
    inverse_two_logistics,
)
from survkit.types import InputError

INTERVALS = 100
KNOTS = torch.linspace(0, 1, 101, dtype=torch.float64)[1:-1]

# Raw slopes, centres, weights. Smallest slopes; largest slopes at both ends with a plateau at
# 1/2 between; one jump at either end; a weightless component.
EXTREME = torch.tensor(
    [
        [-40, -40, 0, 0, 0, 0],
        [40, 40, -7, 7, 0, 0],
        [40, 40, -20, -20, 0, 0],
        [40, 40, 20, 20, 0, 0],
        [40, -40, 0, 0, -90, 90],
        [-40, 40, 0, 0, 2, -2],
        [0, 0, 0, 0, 0, 0],
    ],
    dtype=torch.float64,
)


def random_raw(scale, dtype, count=2000):
    generator = torch.Generator().manual_seed(int(scale))
    return torch.randn(count, 6, generator=generator, dtype=dtype) * scale


def in_double(warp):
    return TwoLogistics(*(part.double() for part in warp))


def test_warp_is_the_normalised_mixture_of_logistic_cdfs():
    raw = random_raw(2, torch.float64, 50)
    warp = TwoLogistics.from_raw(raw)
    slopes = 0.01 + 39.99 * raw[:, :2].sigmoid()
    first = raw[:, 2].sigmoid()
    centres = torch.stack([first, first + (1 - first) * raw[:, 3].sigmoid()], dim=1)
    weights = raw[:, 4:].softmax(1)

    def mixture(u):
        return (weights * (slopes * (u - centres)).sigmoid()).sum(1)

    for u in (0.0, 0.003, 0.4, 0.9, 1.0):
        expected = (mixture(u) - mixture(0.0)) / (mixture(1.0) - mixture(0.0))
        actual = warp.value(torch.tensor([u], dtype=torch.float64)).squeeze(-1)
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_parameters_keep_their_ranges(dtype):
    warp = TwoLogistics.from_raw(torch.cat([random_raw(10, dtype), EXTREME.to(dtype)]))
    assert warp.slopes.min() >= MIN_SLOPE - 1e-9
    assert warp.slopes.max() <= MAX_SLOPE + 1e-5
    assert (warp.centres.diff(dim=0) >= 0).all()
    assert warp.centres.min() >= 0
    assert warp.centres.max() <= 1
    ends = warp.value(torch.tensor([0.0, 1.0], dtype=dtype))
    torch.testing.assert_close(ends, torch.tensor([0.0, 1.0], dtype=dtype).expand_as(ends))


def test_slope_is_the_derivative_of_the_value():
    warp = TwoLogistics.from_raw(random_raw(2, torch.float64, 20))
    u = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    step = 1e-6
    numeric = (warp.value(u + step) - warp.value(u - step)) / (2 * step)
    torch.testing.assert_close(warp.evaluate(u).slope, numeric, rtol=1e-6, atol=1e-8)


def test_single_precision_holds_for_the_smallest_slopes():
    raw = EXTREME[:1]
    u = torch.linspace(0, 1, 101)
    # With slopes of 0.01 the warp is the identity up to 1e-5.
    torch.testing.assert_close(
        TwoLogistics.from_raw(raw.float()).value(u)[0], u, rtol=2e-6, atol=1e-5
    )


@pytest.mark.parametrize("scale", [1, 3, 10, 50])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_inverse_solves_the_equation(scale, dtype, tolerance):
    raw = torch.cat([random_raw(scale, dtype), EXTREME.to(dtype)])
    y = KNOTS.to(dtype)
    u = inverse_two_logistics(raw, INTERVALS)
    residual = in_double(TwoLogistics.from_raw(raw)).value(u.double()) - y.double()
    assert residual.abs().max() <= tolerance
    assert u.min() >= 0
    assert u.max() <= 1
    assert (u.diff(dim=-1) >= 0).all()


def test_a_plateau_at_a_solution_stays_finite():
    # Two steps of height 1/2 near the ends, so that F is 1/2 to rounding, up and down, in between.
    margin = torch.linspace(0.0005, 0.05, 2000, dtype=torch.float64)
    centres = [margin.logit(), ((1 - 2 * margin) / (1 - margin)).logit()]
    steep, even = torch.full_like(margin, 8.0), torch.zeros_like(margin)
    raw = torch.stack([steep, steep, *centres, even, even], dim=1).float()
    u = inverse_two_logistics(raw.requires_grad_(), INTERVALS)
    u.sum().backward()
    assert u.isfinite().all()
    assert raw.grad.isfinite().all()


def test_inverse_is_differentiated_implicitly():
    raw = (torch.randn(4, 3, 6, dtype=torch.float64) * 2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda r: inverse_two_logistics(r, 10), raw, atol=1e-7, rtol=1e-6
    )


def test_gradient_does_not_pass_through_the_iterations():
    # dx/dtheta of the fixed point, from the implicit function theorem by hand.
    raw = random_raw(2, torch.float64, 1)[0]
    u = inverse_two_logistics(raw, 10)
    by_raw = torch.autograd.functional.jacobian(
        lambda r: TwoLogistics.from_raw(r).value(u), raw
    )  # (9, 6)
    expected = -by_raw / TwoLogistics.from_raw(raw).evaluate(u).slope.unsqueeze(-1)
    actual = torch.autograd.functional.jacobian(lambda r: inverse_two_logistics(r, 10), raw)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)


def test_single_precision_has_the_derivatives_of_double():
    doubles = random_raw(1, torch.float64).requires_grad_()
    singles = doubles.detach().float().requires_grad_()
    for raw in (doubles, singles):
        inverse_two_logistics(raw, INTERVALS).sum().backward()
    torch.testing.assert_close(singles.grad.double(), doubles.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_stay_finite_for_extreme_parameters(dtype):
    raw = torch.cat([random_raw(50, dtype, 200), EXTREME.to(dtype)]).requires_grad_()
    (gradient,) = torch.autograd.grad(inverse_two_logistics(raw, INTERVALS).sum(), raw)
    assert gradient.isfinite().all()


def test_beta_inverse_solves_the_equation():
    raw = torch.randn(50, 2, dtype=torch.float64)
    a, b = (3 * (raw / 3).tanh()).exp().unsqueeze(-1).numpy().swapaxes(0, 1)
    u = inverse_beta_cdf(raw, INTERVALS).numpy()
    # Where the density is huge the nearest double is not close in I_u, so neighbours bracket y.
    margin = 1e-14 * u
    assert (betainc(a, b, u - margin) <= KNOTS.numpy() + 1e-13).all()
    assert (betainc(a, b, (u + margin).clip(max=1)) >= KNOTS.numpy() - 1e-13).all()


def test_beta_inverse_starts_as_the_identity():
    u = inverse_beta_cdf(torch.zeros(2), INTERVALS)
    assert u.dtype == torch.float32
    torch.testing.assert_close(u, KNOTS.float())


def test_beta_quantile_of_power_functions():
    # I_u(a, 1) = u^a and I_u(1, b) = 1 - (1 - u)^b.
    y = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    shape = torch.tensor([0.3, 2.0, 7.0], dtype=torch.float64, requires_grad=True)
    one = torch.ones(3, dtype=torch.float64)
    for actual, expected in (
        (beta_quantile(shape, one, y), y ** (1 / shape)),
        (beta_quantile(one, shape, y), 1 - (1 - y) ** (1 / shape)),
    ):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(
            torch.autograd.grad(actual.sum(), shape),
            torch.autograd.grad(expected.sum(), shape),
            rtol=1e-7,
            atol=1e-9,
        )


def test_beta_inverse_gradient():
    raw = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r: inverse_beta_cdf(r, 10), raw, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("scale", [10, 100])
def test_beta_gradients_stay_finite_for_extreme_parameters(scale):
    raw = (torch.randn(200, 2) * scale).requires_grad_()
    u = inverse_beta_cdf(raw, INTERVALS)
    (gradient,) = torch.autograd.grad(u.sum(), raw)
    assert u.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize(("inverse", "size"), [(inverse_two_logistics, 6), (inverse_beta_cdf, 2)])
def test_inverses_batch_with_their_gradients(inverse, size):
    raw = torch.randn(5, size, dtype=torch.float64)

    def total(row):
        return inverse(row, 10).sum()

    separate = torch.stack([torch.autograd.functional.jacobian(total, row) for row in raw])
    torch.testing.assert_close(vmap(grad(total))(raw), separate)
    torch.testing.assert_close(vmap(lambda row: inverse(row, 10), 1)(raw.T), inverse(raw, 10))


def test_beta_inverse_names_the_device_it_cannot_use():
    with pytest.raises(InputError, match="beta_cdf runs on the CPU only, not on device meta"):
        inverse_beta_cdf(torch.zeros(3, 2, device="meta"), 10)
