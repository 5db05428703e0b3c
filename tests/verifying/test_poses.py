"""Key points: what is the same answer, and faults that a file may have."""

import numpy as np
import pytest

from mmonnx.runtime import Poses
from mmonnx.verifying.matching import match, noise_of

STEP = (4.0, 4.0)


def poses(seed=0, points=7, size=(16, 12)):
    """Key points at the best places of heat maps, four pixels apart."""
    heats = np.random.RandomState(seed).rand(1, points, *size).astype(np.float32)
    best = heats.reshape(1, points, -1).argmax(-1)
    places = np.stack([best % size[1], best // size[1]], -1) * np.array(STEP)
    scores = heats.max((2, 3))[..., None]
    return Poses(np.concatenate([places, scores], -1).astype(np.float32), heats=heats, step=STEP)


def moved(found, point, x=0.0, y=0.0, score=0.0):
    keypoints = found.keypoints.copy()
    keypoints[0, point] += (x, y, score)
    return Poses(keypoints)


def test_a_key_point_elsewhere_is_wrong_and_so_is_another_score():
    expected = poses()
    assert match(expected, Poses(expected.keypoints)).ok
    found = match(expected, moved(expected, 2, x=0.5))
    assert not found.ok and found.matched == found.total - 1 == 6 and "key point 2" in found.unmatched[0]
    assert match(expected, moved(expected, 2, x=0.009)).ok
    assert not match(expected, moved(expected, 2, score=1e-3)).ok
    assert not match(expected, Poses(expected.keypoints[:, :5])).ok
    assert not match(expected, Poses(expected.keypoints * np.nan)).ok


def crowd(*changes, order=(0, 1, 2)):
    """Three people whose key points are no best places of heats, with scores of their own; of changed ones."""
    random = np.random.RandomState(0)
    keypoints, scores = random.rand(3, 7, 3).astype(np.float32), np.array([0.5, 0.3, 0.2], np.float32)
    keypoints[..., :2] *= 100
    for person, away in changes:
        scores[person] += away
    return Poses(keypoints[list(order)], scores=scores[list(order)])


def test_another_score_of_a_person_is_wrong_and_is_not_excused_by_runs_in_which_people_change_places():
    assert match(crowd(), crowd((1, 1e-5))).ok
    found = match(crowd(), crowd((1, 0.01)))
    assert not found.ok and "people's scores" in found.unmatched[0]
    noise = noise_of(crowd())
    noise.add(crowd(order=(1, 0, 2)))
    assert match(crowd(), crowd(order=(1, 0, 2)), noise=noise).ok
    assert not match(crowd(), crowd((1, 0.01)), noise=noise).ok
    assert not match(crowd(), crowd((1, 0.01), order=(1, 0, 2)), noise=noise).ok
    assert not match(crowd(), crowd(order=(0, 2, 1)), noise=noise).ok
    noise.add(crowd((1, 0.006)))
    assert match(crowd(), crowd((1, 0.01)), noise=noise).ok


@pytest.mark.parametrize("gap,ok", [(1e-6, True), (1e-3, False)])
def test_a_tie_of_pytorchs_own_heats_may_fall_elsewhere(gap, ok):
    expected = poses()
    heats, (x, y) = expected.heats, (expected.keypoints[0, 3, :2] / 4).astype(int)
    other = (5 if x < 4 else 1), (10 if y < 6 else 2)
    heats[0, 3, other[1], other[0]] = heats[0, 3, y, x] - gap
    found = match(expected, moved(expected, 3, *(4.0 * (there - here) for there, here in zip(other, (x, y)))))
    assert found.ok == ok and found.excused == int(ok)


def test_what_pytorch_gives_itself_when_it_rounds_otherwise_is_excused_there_alone():
    expected = poses()
    noise = noise_of(expected)
    noise.add(Poses(moved(expected, 1, x=1.0).keypoints, heats=expected.heats))
    assert match(expected, moved(expected, 1, x=1.0), noise=noise).ok
    assert match(expected, moved(expected, 1, x=1.5), noise=noise).excused == 1
    assert not match(expected, moved(expected, 1, x=2.5), noise=noise).ok
    assert not match(expected, moved(expected, 2, x=1.0), noise=noise).ok
    noise.add(Poses(moved(expected, 4, x=30.0).keypoints, heats=expected.heats))
    assert match(expected, moved(expected, 4, x=30.0), noise=noise).ok
    assert not match(expected, moved(expected, 4, x=20.0), noise=noise).ok


@pytest.mark.parametrize(
    "ours,theirs,ok",
    [
        (-1315.0, -1297.0, True),  # thrown out of the picture, as far apart as PyTorch's runs are
        (-1315.0, -1200.0, False),  # farther apart
        (-1315.0, 20.0, False),  # one of them is in the picture
        (20.0, 38.0, False),  # both are
    ],
)
def test_what_is_thrown_out_of_the_picture_may_land_as_far_apart_as_pytorchs_own(ours, theirs, ok):
    def at(x):
        return moved(expected, 3, x=x - float(expected.keypoints[0, 3, 0]))

    expected = poses()
    truth = Poses(at(ours).keypoints, heats=expected.heats, step=STEP)
    noise = noise_of(truth)
    assert not match(truth, at(theirs), noise=noise).ok
    noise.add(Poses(at(ours + 40.0).keypoints, heats=expected.heats, step=STEP))
    assert match(truth, at(theirs), noise=noise).ok is ok
