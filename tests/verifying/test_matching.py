"""What counts as the same answer."""

import numpy as np
import pytest

from mmonnx.runtime.results import Detections, RawOutputs, Scores
from mmonnx.verifying.matching import Match, Tolerances, match, noise_of

BOX = (10.0, 20.0, 50.0, 80.0)


def make(*rows, masks=None):
    """Detections of rows (x1, y1, x2, y2, score, label)."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(table[:, :5].astype(np.float32), table[:, 5].astype(np.int64), masks)


def crowd(count, seed=0):
    """Detections spread over an image, with different scores well above any threshold."""
    rng = np.random.RandomState(seed)
    corner = rng.uniform(0, 400, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 100, (count, 2))], axis=1)
    scores = 0.1 + 0.8 * (rng.permutation(count) + 0.5) / count
    return make(*np.concatenate([boxes, scores[:, None], rng.randint(0, 3, (count, 1))], axis=1))


def moved(result, index, column, amount):
    dets = result.dets.copy()
    dets[index, column] += amount
    return Detections(dets, result.labels, result.masks)


def test_the_same_in_another_order():
    expected = crowd(50)
    order = np.random.RandomState(1).permutation(50)
    found = match(expected, Detections(expected.dets[order], expected.labels[order]))
    assert found == Match(50, 50, max_box=0.0, max_score=0.0)


def test_the_order_counts_where_it_is_asked_for_but_not_among_equals():
    expected = make(*[(100 * n, 0, 100 * n + 50, 50, score, 1) for n, score in enumerate((0.9, 0.8, 0.5, 0.5))])

    def inorder(*order):
        return match(expected, Detections(expected.dets[list(order)], expected.labels[list(order)]), ordered=True)

    assert inorder(0, 1, 2, 3).ok and inorder(0, 1, 3, 2).ok
    for wrong in ((1, 0, 2, 3), (3, 2, 1, 0), (0, 2, 1, 3)):
        found = inorder(*wrong)
        assert not found.ok and found.matched == 4 and found.unmatched[0].startswith("order: place ")


def test_differences_within_the_tolerances_are_measured():
    expected = crowd(20)
    found = match(expected, moved(moved(expected, 3, 2, 0.006), 5, 4, 4e-5))
    assert found.ok and found.matched == found.total == 20
    assert found.max_box == pytest.approx(0.006, abs=1e-4)
    assert found.max_score == pytest.approx(4e-5, abs=1e-6)


def test_a_box_off_by_a_fiftieth_of_a_pixel():
    expected = crowd(20)
    found = match(expected, moved(expected, 3, 1, -0.02))
    assert not found.ok and (found.matched, found.total) == (19, 21)
    assert found.max_box == pytest.approx(0.02, abs=1e-4)
    assert len(found.unmatched) == 1 and "off by 0.02 px" in found.unmatched[0]


@pytest.mark.parametrize("amount", [2e-4, -2e-4])
def test_a_score_that_is_off(amount):
    expected = crowd(20)
    found = match(expected, moved(expected, 3, 4, amount))
    assert not found.ok and found.max_score == pytest.approx(2e-4, abs=1e-6)


def test_another_label():
    expected = make((*BOX, 0.9, 1))
    found = match(expected, make((*BOX, 0.9, 2)))
    assert not found.ok and found.matched == 0
    assert found.unmatched == [
        "only PyTorch has label 1 at (10.0, 20.0, 50.0, 80.0) score 0.9000",
        "only the runtime has label 2 at (10.0, 20.0, 50.0, 80.0) score 0.9000",
    ]


@pytest.mark.parametrize("kind", ["missing", "extra"])
def test_one_sided(kind):
    some, none = crowd(4), make()
    found = match(some, none) if kind == "missing" else match(none, some)
    assert not found.ok and (found.matched, found.total) == (0, 4)
    assert len(found.unmatched) == 4


def test_nothing_on_either_side_is_the_same_and_says_so():
    assert match(make(), make()) == Match(0, 0, ok=True)


def test_duplicates_need_as_many_counterparts():
    expected = make((*BOX, 0.9, 1), (*BOX, 0.9, 1), (*BOX, 0.9, 1))
    assert match(expected, expected).matched == 3
    found = match(expected, make((*BOX, 0.9, 1), (*BOX, 0.9, 1)))
    assert not found.ok and (found.matched, found.total) == (2, 3)


def test_greedy_matching_would_fail():
    # In x1: 0.000 and 0.008 against 0.007 and 0.017. The nearest to 0.008 is 0.007, and then 0.000 has nobody left.
    expected = make((0.008, 0, 50, 50, 0.9, 0), (0.0, 0, 50, 50, 0.9, 0))
    found = match(expected, make((0.007, 0, 50, 50, 0.9, 0), (0.017, 0, 50, 50, 0.9, 0)))
    assert found.ok and found.matched == 2


def test_a_chain_of_close_boxes():
    # Each box fits its own and the next one's counterpart; only one assignment covers all.
    steps = np.arange(40) * 0.008
    expected = make(*[(step, 0, 50 + step, 50, 0.9, 0) for step in steps])
    order = np.random.RandomState(0).permutation(40)
    actual = make(*[(step + 0.007, 0, 50 + step + 0.007, 50, 0.9, 0) for step in steps[order]])
    assert match(expected, actual).matched == 40


def test_at_the_score_threshold_either_side_may_be_alone():
    common = crowd(5)
    edge = Detections(
        np.concatenate([common.dets, [[0, 0, 9, 9, 0.050002]]]).astype(np.float32), np.append(common.labels, 0)
    )
    for expected, actual in ((common, edge), (edge, common)):
        found = match(expected, actual, score_thr=0.05)
        assert found.ok and found.matched == 5 and found.excused == 1
        assert not match(expected, actual, score_thr=0.04).ok
        assert not match(expected, actual).ok
    assert match(edge, edge, score_thr=0.05) == Match(6, 6, max_box=0.0, max_score=0.0)


def test_the_excusable_one_is_left_over_not_the_other():
    # The runtime's only box fits both of PyTorch's; the one above the threshold's zone has to get it.
    expected = make((*BOX, 0.050003, 0), (*BOX, 0.05009, 0))
    found = match(expected, make((*BOX, 0.05003, 0)), score_thr=0.05)
    assert found.ok and found.matched == 1 and found.excused == 1


def test_visible_ties_may_differ():
    # Three equal scores; of two overlapping boxes of that score NMS kept the other one.
    shared = [(100, 100, 150, 150, 0.5, 1), (200, 200, 250, 250, 0.5, 1)]
    found = match(make(*shared, (0, 0, 40, 40, 0.5, 1)), make((8, 0, 48, 40, 0.5, 1), *shared))
    assert found.ok and (found.matched, found.total, found.excused) == (2, 3, 2)


def test_a_tie_that_does_not_show_is_a_mismatch():
    shared = [(100, 100, 150, 150, 0.6, 1), (200, 200, 250, 250, 0.7, 1)]
    assert not match(make(*shared, (0, 0, 40, 40, 0.5, 1)), make(*shared, (8, 0, 48, 40, 0.5, 1))).ok


def test_a_tie_needs_a_counterpart():
    tied = [(100, 100, 150, 150, 0.5, 1), (200, 200, 250, 250, 0.5, 1), (0, 0, 40, 40, 0.5, 1)]
    found = match(make(*tied), make(*tied[:2]))
    assert not found.ok and found.excused == 0


@pytest.mark.parametrize(
    "last, box, limit, ok",
    [
        (0.0098854, (300, 0, 340, 40), 3, True),
        (0.0098870, (300, 0, 340, 40), 3, False),  # further off than the runtime's Sigmoid
        (0.0098854, (300, 0, 340, 40), 4, False),  # a list that is not full was not cut
        (0.0098854, (0, 1, 40, 40), 3, False),  # the same object in a slightly wrong place
    ],
)
def test_the_runtimes_own_error_at_the_cut_of_a_full_list(last, box, limit, ok):
    """Of which PyTorch's further runs show nothing."""
    shared = [(100, 100, 150, 150, 0.0099, 1), (200, 200, 250, 250, 0.0098856, 1)]
    expected, actual = make(*shared, (0, 0, 40, 40, 0.0098855, 1)), make(*shared, (*box, last, 1))
    assert match(expected, actual, limit=limit, noise=asked_again(expected, expected)).ok is ok
    other = make(shared[0], (300, 0, 340, 40, 0.0098856, 1), (0, 0, 40, 40, 0.0098855, 1))
    assert match(expected, other, limit=3, noise=asked_again(expected, expected)).ok
    first = make((300, 0, 340, 40, 0.0099, 1), *shared[1:], (0, 0, 40, 40, 0.0098855, 1))
    assert not match(expected, first, limit=3, noise=asked_again(expected, expected)).ok  # it is clear that it stays


def test_tied_scores_do_not_excuse_a_box_in_a_slightly_wrong_place():
    expected = make(*[(100 * i, 0, 100 * i + 50, 50, 0.5, 1) for i in range(5)])
    found = match(expected, moved(expected, 2, 0, 0.3))
    assert not found.ok and found.max_box == pytest.approx(0.3, abs=1e-4)


def test_ties_at_the_cut_of_a_full_list():
    shared = [(100, 100, 150, 150, 0.6, 1), (200, 200, 250, 250, 0.7, 1)]
    expected, actual = make(*shared, (0, 0, 40, 40, 0.5, 1)), make(*shared, (300, 0, 340, 40, 0.5, 2))
    assert match(expected, actual, limit=3).ok
    assert not match(expected, actual, limit=4).ok, "a list that is not full was not cut"
    higher = make(*shared, (300, 0, 340, 40, 0.5009, 2))
    assert not match(expected, higher, limit=3).ok, "the scores differ, so it is clear which one had to stay"


@pytest.mark.parametrize("column", range(5))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_never_matches(column, value):
    expected = crowd(5)
    broken = moved(expected, 2, column, value)
    for pair in ((expected, broken), (broken, expected), (broken, broken)):
        found = match(*pair)
        assert not found.ok and found.matched == 0 and "NaN" in found.unmatched[0]


@pytest.mark.parametrize(
    "actual",
    [
        Detections(np.zeros((1, 4), np.float32), np.zeros(1, np.int64)),
        Detections(np.zeros((1, 5), np.float32), np.zeros(2, np.int64)),
        Detections(np.zeros((1, 5), np.float64), np.zeros(1, np.int64)),
        Detections(np.zeros((1, 5), np.float32), np.zeros(1, np.float32)),
        Detections(np.zeros((1, 5), np.float32), np.zeros(1, np.int64), np.zeros((1, 8, 8), bool)),
    ],
)
def test_wrong_shapes_and_types(actual):
    expected = Detections(np.zeros((1, 5), np.float32), np.zeros(1, np.int64))
    assert match(expected, expected).ok
    assert not match(expected, actual).ok


def disc(radius, dtype=bool):
    rows, columns = np.mgrid[:100, :100]
    return ((rows - 50) ** 2 + (columns - 50) ** 2 <= radius**2).astype(dtype)


def test_masks():
    expected = make((*BOX, 0.9, 1), masks=disc(30)[None])
    edge = disc(30)
    edge[50, 20:24] = False
    found = match(expected, make((*BOX, 0.9, 1), masks=edge[None]))
    assert found.ok and 0 < found.max_mask < 0.01
    found = match(expected, make((*BOX, 0.9, 1), masks=disc(29)[None]))
    assert not found.ok and (found.matched, found.total) == (0, 1)
    assert found.max_mask > 0.05 and "pixels differ" in found.unmatched[0]


def test_masks_of_nothing_may_be_left_out_by_pytorch_alone():
    nothing, masks = make(), np.zeros((0, 100, 100), bool)
    assert match(nothing, make(masks=masks)).ok
    assert not match(make(masks=masks), nothing).ok
    assert not match(nothing, make((*BOX, 0.9, 1), masks=disc(30)[None])).ok
    assert not match(make((*BOX, 0.9, 1)), make((*BOX, 0.9, 1), masks=disc(30)[None])).ok


@pytest.mark.parametrize(("ours", "theirs", "ok"), [(2e-6, -2e-6, True), (2e-6, -2e-5, False), (1e-3, -2e-6, False)])
def test_a_probability_at_the_threshold_of_a_mask_may_be_on_either_side_of_it(ours, theirs, ok):
    first, second = disc(30, np.float32), disc(30, np.float32)
    first[40:60, 40:60], second[40:60, 40:60] = 0.5 + ours, 0.5 + theirs
    found = match(make((*BOX, 0.9, 1), masks=first[None]), make((*BOX, 0.9, 1), masks=second[None]))
    assert found.ok is ok


def asked_again(expected, *further):
    """PyTorch's noise, of its further answers."""
    noise = noise_of(expected)
    for again in further:
        noise.add(again)
    return noise


def test_a_mask_may_be_as_far_off_as_pytorchs_own_and_no_other():
    rows = (*BOX, 0.9, 1), (60, 60, 90, 90, 0.8, 2)
    expected = make(*rows, masks=np.stack([disc(30), disc(10)]))
    actual = make(*rows, masks=np.stack([disc(25), disc(10)]))
    found = match(expected, actual)
    assert not found.ok and found.missing == [0] and (found.matched, found.excused) == (1, 0)
    assert match(expected, actual, noise=asked_again(expected, actual)).ok
    other = make(*rows, masks=np.stack([disc(30), disc(6)]))
    assert not match(expected, actual, noise=asked_again(expected, other)).ok


@pytest.mark.parametrize(("own", "ok"), [(0.0, False), (0.02, False), (0.03, True)])
def test_boxes_and_scores_may_be_twice_as_far_off_as_pytorchs_own(own, ok):
    expected = crowd(20)
    noise = asked_again(expected, moved(expected, 3, 1, own))
    found = match(expected, moved(expected, 3, 1, 0.05), noise=noise)
    assert found.ok is ok and found.allowed == ((pytest.approx(2 * own, abs=1e-3), 1e-4) if ok else (0.0, 0.0))
    assert found.excused == int(ok)
    assert not match(expected, moved(expected, 4, 1, 0.05), noise=noise).ok, "the noise is of one detection alone"


def test_what_pytorch_gives_in_a_further_run_may_be_there_and_nothing_else():
    expected = make((*BOX, 0.9, 1), (100, 100, 150, 150, 0.5, 2))
    accident = make((*BOX, 0.9, 1), (100, 100, 150, 150, 0.5, 2), (200, 200, 260, 260, 0.4, 3))
    noise = asked_again(expected, accident)
    assert match(expected, accident, noise=noise).excused == 1
    for wrong in ((200, 200, 260, 260, 0.4, 4), (200, 200, 260, 263, 0.4, 3), (200, 200, 260, 260, 0.41, 3)):
        actual = make((*BOX, 0.9, 1), (100, 100, 150, 150, 0.5, 2), wrong)
        found = match(expected, actual, noise=noise)
        assert not found.ok and "only the runtime has" in found.unmatched[0]


def test_what_replaces_an_unsteady_detection_may_not_be_anything():
    expected = make((*BOX, 0.9, 1), (100, 100, 150, 150, 0.5, 2))
    noise = asked_again(expected, make((*BOX, 0.9, 1)))
    assert match(expected, make((*BOX, 0.9, 1)), noise=noise).ok, "PyTorch itself does not always give it"
    anything = make((*BOX, 0.9, 1), (-5000, -5000, 9999, 9999, 0.999, 77))
    assert not match(expected, anything, noise=noise).ok


def test_where_pytorch_was_asked_a_tie_alone_excuses_nothing():
    shared = [(100, 100, 150, 150, 0.5, 1), (200, 200, 250, 250, 0.5, 1)]
    expected, actual = make(*shared, (0, 0, 40, 40, 0.5, 1)), make((8, 0, 48, 40, 0.5, 1), *shared)
    assert match(expected, actual).ok and not match(expected, actual, noise=asked_again(expected, expected)).ok
    assert match(expected, actual, noise=asked_again(expected, actual)).ok


def with_more(result, **more):
    return Detections(result.dets, result.labels, more=more)


def test_key_points_go_with_their_boxes_and_may_be_as_far_off_as_pytorchs_own():
    expected, points = crowd(6), np.random.RandomState(2).uniform(0, 400, (6, 17, 3)).astype(np.float32)
    ours = with_more(expected, keypoints=points)
    order = np.random.RandomState(1).permutation(6)
    theirs = Detections(expected.dets[order], expected.labels[order], more={"keypoints": points[order]})
    assert match(ours, theirs).ok
    far = points.copy()
    far[3, 5, 0] += 60
    found = match(ours, with_more(expected, keypoints=far))
    assert not found.ok and (found.matched, found.total, found.missing) == (5, 6, [3])
    assert len(found.unmatched) == 1 and found.unmatched[0].startswith("keypoints of label ")
    assert "off by 60, at most 0.04 is right" in found.unmatched[0]
    again, other = with_more(expected, keypoints=far), points.copy()
    assert match(ours, again, noise=asked_again(ours, again)).ok
    other[2, 5, 0] += 60
    assert not match(ours, again, noise=asked_again(ours, with_more(expected, keypoints=other))).ok


def test_whole_numbers_of_each_box_are_exact():
    expected = crowd(4)
    ours, theirs = np.arange(4), np.array([0, 1, 2, 4])
    found = match(with_more(expected, track=ours), with_more(expected, track=theirs))
    assert not found.ok and found.missing == [3]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (None, "keypoints: only PyTorch gives any"),
        (np.zeros((3, 17, 3), np.float32), "keypoints: 3 of the runtime for 4 detections"),
        (np.zeros((4, 16, 3), np.float32), "the shape"),
        (np.zeros((4, 17, 3), np.float64), "float64"),
        (np.full((4, 17, 3), np.nan, np.float32), "NaN"),
    ],
)
def test_key_points_that_cannot_be_compared(values, said):
    expected = crowd(4)
    more = {} if values is None else {"keypoints": values}
    found = match(with_more(expected, keypoints=np.zeros((4, 17, 3), np.float32)), with_more(expected, **more))
    assert not found.ok and said in found.unmatched[0]


def boxes(*scores, start=0):
    return [(10 * place, 0, 10 * place + 8, 8, score, 1) for place, score in enumerate(scores, start)]


@pytest.mark.parametrize(
    "lowest, limit, asked, ok",
    [
        (0.3, 4, True, True),
        (0.3, 4, False, False),  # there is no accident that could have taken its place
        (0.3, 5, True, False),  # there was room for it
        (0.6, 4, True, False),  # it comes before what is there
    ],
)
def test_an_accident_may_crowd_out_the_last_of_a_full_list(lowest, limit, asked, ok):
    """PyTorch's second is an accident; the runtime has two others in its place and in that of the last."""
    expected = make(*boxes(0.9, 0.8, 0.7), (30, 0, 38, 8, lowest, 1))
    others = (50, 0, 58, 8, 0.85, 1), (70, 0, 78, 8, 0.5, 1)
    actual = make(boxes(0.9)[0], boxes(0.7, start=2)[0], *others)
    again = make(boxes(0.9)[0], boxes(0.7, start=2)[0], *others, (30, 0, 38, 8, lowest, 1))
    noise = asked_again(expected, again if asked else expected)
    assert match(expected, actual, score_thr=0.05, limit=limit, noise=noise).ok is ok
    one_more = make(*boxes(0.9, 0.8, 0.7), *[(x, 0, x + 8, 8, 0.4 - x / 1000, 1) for x in (90, 110, 130)])
    noise = asked_again(one_more, make(*boxes(0.9, 0.7), *others)) if asked else asked_again(one_more, one_more)
    wrong = make(boxes(0.9)[0], boxes(0.7, start=2)[0], (150, 0, 158, 8, 0.85, 1), (70, 0, 78, 8, 0.5, 1))
    assert not match(one_more, wrong, score_thr=0.05, limit=4, noise=noise).ok  # nobody gives the box at 150


def test_small_and_empty_masks():
    small, other = np.zeros((1, 9, 9), bool), np.zeros((1, 9, 9), bool)
    assert match(make((*BOX, 0.9, 1), masks=small), make((*BOX, 0.9, 1), masks=other)).max_mask == 0
    small[0, 4, 2:7] = True
    other[0, 4, 2:5] = True
    assert match(make((*BOX, 0.9, 1), masks=small), make((*BOX, 0.9, 1), masks=other)).ok
    other[0, 4] = False
    assert not match(make((*BOX, 0.9, 1), masks=small), make((*BOX, 0.9, 1), masks=other)).ok


def test_masks_go_with_their_boxes_in_any_order():
    rows = [(*BOX, 0.9, 1), (100, 100, 150, 150, 0.8, 1)]
    masks = np.stack([disc(30), disc(10)])
    expected = make(*rows, masks=masks)
    assert match(expected, make(*rows[::-1], masks=masks[::-1])).ok
    assert match(expected, make(*rows[::-1], masks=masks)).matched == 0


def test_class_probabilities():
    expected = np.array([0.1, 0.7, 0.2], np.float32)
    assert match(Scores(expected), Scores(expected + np.float32(1e-5))).ok
    found = match(Scores(expected), Scores(expected + np.float32([0, 0.0002, 0])))
    assert not found.ok and found.max_score == pytest.approx(2e-4, abs=1e-6)
    assert not match(Scores(expected), Scores(expected[[1, 0, 2]])).ok
    assert not match(Scores(expected), Scores(np.full(3, np.nan, np.float32))).ok
    assert not match(Scores(expected), Scores(expected[:2])).ok


def test_tied_classes_may_swap_places():
    expected = np.array([0.40001, 0.4, 0.2], np.float32)
    assert match(Scores(expected), Scores(expected[[1, 0, 2]])).ok


@pytest.mark.parametrize("theirs,ok", [([0.5, 0.5, 0.0], True), ([0.5, 0.4, 0.1], False), ([0.0, 1.0, 0.0], False)])
def test_probabilities_that_a_choice_made_others_may_be_those_of_a_run_of_pytorchs(theirs, ok):
    """Of two clips, each of which is certain of a class, one is in the balance."""
    expected = Scores(np.array([1.0, 0.0, 0.0], np.float32))
    noise = noise_of(expected)
    assert not match(expected, Scores(np.array(theirs, np.float32)), noise=noise).ok
    noise.add(Scores(np.array([0.5, 0.5, 0.0], np.float32)))
    found = match(expected, Scores(np.array(theirs, np.float32)), noise=noise)
    assert found.ok is ok and found.excused == int(ok)


def test_probabilities_may_be_as_far_off_as_pytorchs_own_up_to_a_limit():
    def changed(amount):
        return Scores(np.array([0.1, 0.7 + amount, 0.2], np.float32))

    expected, other = changed(0), changed(0.003)
    found = match(expected, other, noise=asked_again(expected, changed(0.002)))
    assert found.ok and found.matched == 1 and found.excused == 1 and found.allowed[1] == pytest.approx(0.004, abs=1e-6)
    assert not match(expected, other, noise=asked_again(expected, changed(0.001))).ok
    assert match(expected, expected, noise=asked_again(expected, other)).excused == 0
    assert not match(expected, changed(0.1), noise=asked_again(expected, changed(0.3))).ok


def test_the_best_classes():
    def best(scores, labels):
        return Scores(np.array(scores, np.float32), np.array(labels, np.int64))

    expected = best([0.5, 0.3, 0.1], [4, 1, 2])
    assert match(expected, best([0.5, 0.3, 0.1], [4, 1, 2])).ok
    assert not match(expected, best([0.5, 0.3, 0.1], [1, 4, 2])).ok
    assert not match(expected, best([0.5, 0.4, 0.1], [4, 1, 2])).ok
    assert not match(expected, best([0.5, 0.3, 0.1], [4, 7, 2])).ok
    assert not match(expected, best([0.5, 0.3], [4, 1])).ok
    assert not match(expected, Scores(expected.probs)).ok
    assert match(expected, best([0.5, 0.3, 0.1], [4, 1, 9])).ok, "another class may be tied with the last one"
    tied = best([0.5, 0.5, 0.1], [4, 1, 2])
    assert match(tied, best([0.5, 0.5, 0.1], [1, 4, 2])).ok
    assert not match(tied, best([0.5, 0.5, 0.1], [4, 4, 2])).ok


def test_probabilities_of_an_untrained_classifier_are_told_apart():
    rng = np.random.RandomState(0)
    logits = rng.randn(2, 1000) * 0.1
    one, two = (np.exp(row) / np.exp(row).sum() for row in logits)
    assert np.abs(one - two).max() < 1e-3, "an absolute tolerance would take one for the other"
    assert not match(Scores(one.astype(np.float32)), Scores(two.astype(np.float32))).ok


def test_raw_outputs():
    rng = np.random.RandomState(0)
    values = {"a": rng.randn(1, 4, 8, 8).astype(np.float32), "b": np.arange(4)}

    def changed(**other):
        return match(RawOutputs(values), RawOutputs({**values, **other}))

    assert changed() == Match(2, 2, max_score=0.0)
    assert changed(a=values["a"] + np.float32(1e-4)).ok
    assert not changed(a=values["a"] + np.float32(1e-3)).ok
    wrong = values["a"].copy()
    wrong[0, 1, 2, 3] += 0.1
    assert not changed(a=wrong).ok and changed(a=wrong).matched == 1
    assert not changed(a=values["a"][..., :-1]).ok
    assert not changed(a=values["a"].astype(np.float64)).ok
    assert not changed(a=values["a"] * np.float32(np.nan)).ok
    assert not changed(b=values["b"] + 1).ok
    assert not changed(c=values["b"]).ok


def test_raw_outputs_of_an_untrained_head_are_told_apart():
    rng = np.random.RandomState(0)
    one, two = (np.float32(-4.6) + 0.002 * rng.randn(1, 8, 4, 4).astype(np.float32) for _ in range(2))
    assert not match(RawOutputs({"a": one}), RawOutputs({"a": two})).ok
    constant = np.full((1, 8), -4.6, np.float32)
    assert match(RawOutputs({"a": constant}), RawOutputs({"a": constant + np.float32(1e-6)})).ok


def test_raw_outputs_may_be_twice_as_far_off_as_pytorchs_own():
    values = np.random.RandomState(0).randn(1, 4, 8, 8).astype(np.float32)

    def raw(amount):
        return RawOutputs({"a": values + np.float32(amount)})

    for own, ok in ((0.02, True), (0.01, False), (0.0, False)):
        found = match(raw(0), raw(0.03), noise=asked_again(raw(0), raw(own)))
        assert found.ok is ok and found.excused == int(ok)


def test_infinities_have_to_be_in_the_same_places():
    one = np.array([1.0, -np.inf, 2.0], np.float32)
    assert match(RawOutputs({"a": one}), RawOutputs({"a": one})).ok
    assert not match(RawOutputs({"a": one}), RawOutputs({"a": -one})).ok


def test_different_kinds_are_a_mistake_of_the_caller():
    with pytest.raises(TypeError):
        match(make(), Scores(np.zeros(3, np.float32)))


def test_tolerances_can_be_given():
    expected = crowd(5)
    assert match(expected, moved(expected, 0, 0, 0.5), tolerances=Tolerances(box=1.0)).ok
