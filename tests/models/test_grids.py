import numpy as np
import pytest
import torch

from bench.models.grids import own_part, stack_grids
from bench.types import BenchError, Frame


def test_smaller_grids_keep_their_place(upscale):
    rng = np.random.default_rng(0)
    grids = [rng.normal(size=(1, 4, 9)).astype(np.float32), np.ones((1, 7, 3), np.float32)]
    frames = [Frame.identity((4, 9)), Frame.identity((7, 3))]
    stacked = stack_grids(grids, [[0.1], [0.2]], frames, 1, "cpu")
    assert stacked.logits.shape == (2, 1, 7, 9)
    assert stacked.frames[0] == Frame((7, 9), (4, 9), (4, 9))
    for i, grid in enumerate(grids):
        assert torch.equal(upscale(stacked, i), torch.from_numpy(grid))
        part = own_part(stacked.logits[i, 0].numpy(), grid.shape[1:])
        assert np.array_equal(part, grid[0])
    assert (stacked.logits[0, 0, 4:] < 0).all()


def test_one_size_is_left_alone():
    grid = np.zeros((3, 4, 9), np.float32)
    frame = Frame((8, 18), (5, 18), (50, 180))
    assert stack_grids([grid], [[1, 2, 3]], [frame], 3, "cpu").frames == [frame]


@pytest.mark.parametrize("shape", [(3, 9), (4, 8), (4, 9, 1)])
def test_a_part_must_be_there(shape):
    with pytest.raises(BenchError, match="at least 4×9"):
        own_part(np.zeros(shape, np.float32), (4, 9))
