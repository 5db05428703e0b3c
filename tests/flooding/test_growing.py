"""Labels that grow from kernels: as the loops of mmcv's compiled operators, pixel by pixel."""

from collections import deque

import cv2
import numpy as np
import pytest

from mmonnx.flooding import contour_expand, pixel_group

WAYS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def areas(seed, size=(40, 60), threshold=0.0):
    """A mask of a few areas, and labels of kernels inside of it."""
    random = np.random.RandomState(seed)
    field = cv2.GaussianBlur(random.standard_normal(size).astype(np.float32), (0, 0), 3)
    mask = field > threshold * field.std()
    kernels = field > (threshold + 1.0) * field.std()
    _, labels = cv2.connectedComponents(kernels.astype(np.uint8), connectivity=4)
    return random, mask, labels


def by_queue(labels, mask, starts, allowed):
    """What a queue of pixels does."""
    grown, queue = labels.copy(), deque(starts)
    while queue:
        row, column = queue.popleft()
        for down, right in WAYS:
            y, x = row + down, column + right
            inside = 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]
            if inside and mask[y, x] and not grown[y, x] and allowed(y, x, grown[row, column]):
                grown[y, x] = grown[row, column]
                queue.append((y, x))
    return grown


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("least", [0, 6])
def test_labels_grow_over_the_largest_kernel(seed, least):
    _, mask, labels = areas(seed)
    assert labels.max() > 2
    kernels = np.stack([mask, mask & (labels > -1), labels > 0]).astype(np.uint8)
    large = np.bincount(labels.ravel()) >= least
    start = np.where(large[labels], labels, 0)
    expected = by_queue(start, mask, list(zip(*np.nonzero(start))), lambda *pixel: True)
    found = contour_expand(kernels, labels.astype(np.int32), least)
    np.testing.assert_array_equal(found, expected)
    assert (found > 0).sum() > (labels > 0).sum()


def test_a_single_kernel_does_not_grow():
    _, mask, labels = areas(0)
    np.testing.assert_array_equal(contour_expand(mask[None].astype(np.uint8), labels.astype(np.int32), 0), labels)


@pytest.mark.parametrize("seed", range(4))
def test_pixels_go_to_the_kernel_whose_embedding_is_near(seed):
    random, mask, labels = areas(seed)
    count, distance = int(labels.max()) + 1, 0.9
    embedding = random.standard_normal((*mask.shape, 4)).astype(np.float32) * 0.5
    score = random.rand(*mask.shape).astype(np.float32)
    outlines, _ = cv2.findContours((labels > 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    contour = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(contour, outlines, -1, (255,))
    means = np.stack([embedding[labels == label].mean(0) if label else np.zeros(4) for label in range(count)])
    starts = [(y, x) for y, x in zip(*np.nonzero((labels > 0) & (contour > 0)))]

    def near(y, x, label):
        return np.square(means[label] - embedding[y, x]).sum() < distance**2

    expected = by_queue(labels, mask, starts, near)
    assert ((expected > 0) & (labels == 0)).sum() > 10
    found = pixel_group(score, mask, embedding, labels.astype(np.int32), contour, count, distance)
    assert len(found) == count and found[0] == [0.0, 0.0]
    for label in range(1, count):
        rows, columns = np.nonzero(expected == label)
        assert found[label][1] == len(rows)
        np.testing.assert_array_equal(np.array(found[label][2:]).reshape(-1, 2), np.stack([columns, rows], 1))
        assert found[label][0] == pytest.approx(float(score[rows, columns].mean()), abs=1e-5)


def test_nothing_gives_nothing():
    empty = np.zeros((5, 6), np.int32)
    assert not contour_expand(np.zeros((3, 5, 6), np.uint8), empty, 0).any()
    flat = np.zeros((5, 6), np.float32)
    assert pixel_group(flat, flat > 0, np.zeros((5, 6, 4), np.float32), empty, empty, 1, 0.8) == [[0.0, 0.0]]
