import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from survkit.heads.backbone import Backbone
from survkit.types import CategoricalColumn, InputError

CATEGORICAL = (CategoricalColumn(1, 3), CategoricalColumn(4, 2))


def backbone(**changes):
    settings = dict(
        num_features=5, categorical=CATEGORICAL, hidden_dim=6, num_hidden_layers=2, dropout=0.0
    )
    return Backbone(**{**settings, **changes})


def batch():
    torch.manual_seed(0)
    features = torch.randn(7, 5)
    features[:, 1] = torch.tensor([0.0, 1, 2, 0, 1, 2, 1])
    features[:, 4] = torch.tensor([0.0, 1, 1, 0, 0, 1, 0])
    return features


def test_matches_a_network_written_out():
    model, features = backbone(), batch()
    rows = []
    for row in features:
        # Column 1 owns rows 0 to 2 of the table, column 4 rows 3 and 4.
        first = model.embedding.weight[int(row[1])]
        second = model.embedding.weight[3 + int(row[4])]
        hidden = torch.cat([row[[0, 2, 3]], first, second])
        for layer in (model.layers[0], model.layers[2]):
            hidden = torch.relu(layer.weight @ hidden + layer.bias)
        rows.append(hidden)
    torch.testing.assert_close(model(features), torch.stack(rows))
    assert (model(features) >= 0).all()


def test_one_hot_needs_no_parameters_of_its_own():
    model = backbone(one_hot_embed=True, num_hidden_layers=0)
    hidden = model(torch.tensor([[0.5, 2.0, 1.5, 2.5, 1.0]]))
    assert hidden.tolist() == [[0.5, 1.5, 2.5, 0, 0, 1, 0, 1]]
    assert model.output_dim == 8
    assert list(model.parameters()) == []


def test_no_hidden_layers_pass_the_inputs_on():
    model = backbone(categorical=(), num_hidden_layers=0)
    features = batch()
    assert torch.equal(model(features), features)
    assert model.output_dim == 5


@pytest.mark.parametrize("embedding_dimension", [1, 4])
def test_output_dim_is_the_width_of_the_hidden_state(embedding_dimension):
    model = backbone(num_hidden_layers=0, embedding_dimension=embedding_dimension)
    assert model.output_dim == 3 + 2 * embedding_dimension == model(batch()).shape[1]
    assert backbone().output_dim == 6 == backbone()(batch()).shape[1]


def test_dropout_comes_before_each_layer_and_only_while_training():
    model = backbone(dropout=0.5)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["Dropout", "Linear", "ReLU"] * 2
    features = batch()
    assert not torch.equal(model(features), model(features))
    model.eval()
    assert torch.equal(model(features), model(features))


@pytest.mark.parametrize("one_hot_embed", [False, True])
def test_several_backbones_stack(one_hot_embed):
    models = [backbone(one_hot_embed=one_hot_embed) for _ in range(3)]
    stacked = stack_module_state(models)
    features = batch()

    def call(parameters, buffers):
        return functional_call(models[0], (parameters, buffers), (features,))

    separate = torch.stack([model(features) for model in models])
    torch.testing.assert_close(vmap(call)(*stacked), separate)


@pytest.mark.slow
def test_exports_with_a_free_batch_size():
    model = backbone()
    exported = torch.export.export(
        model, (batch(),), dynamic_shapes={"features": {0: torch.export.Dim("subjects")}}
    )
    features = batch()[:3]
    torch.testing.assert_close(exported.module()(features), model(features))


def test_state_holds_learned_values_only():
    state = backbone().state_dict()
    assert set(state) == {
        "embedding.weight", "layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_dim": 0}, "hidden_dim is 0"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
        ({"embedding_dimension": 0}, "embedding_dimension is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"num_features": 0, "categorical": ()}, "num_features is 0"),
        ({"categorical": (CategoricalColumn(5, 2),)}, "column 5 is not one of the 5"),
        ({"categorical": (CategoricalColumn(1, 2), CategoricalColumn(1, 2))}, "1 is given twice"),
        ({"categorical": (CategoricalColumn(1, 0),)}, "cardinality 0"),
    ],
)
def test_refuses_sizes_that_cannot_work(changes, message):
    with pytest.raises(InputError, match=message):
        backbone(**changes)
