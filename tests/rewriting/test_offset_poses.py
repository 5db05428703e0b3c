"""What becomes of DEKR's maps, in eager mode and a batch at once, against mmpose's own of one picture."""

import numpy as np
import pytest
import torch
from torch.nn import functional

pytest.importorskip("poses")

from mmpose.core import post_processing
from mmpose.core.post_processing.group import HeatmapOffsetParser

from mmonnx.rewriting.rewrites.mmpose.core.post_processing import decoded, heats_at, nearby_joints_nms

pytestmark = pytest.mark.once  # mmpose is on the default stack alone


def crowd(random, people, points):
    """People (people, points, 2) of a few poses, larger or smaller and a bit elsewhere, and their points' scores."""
    kinds = random.randn(random.randint(1, 4), points, 2) * 50
    poses = kinds[random.randint(0, len(kinds), people)] * random.uniform(0.7, 1.3, (people, 1, 1))
    poses += random.randn(people, points, 2) * random.uniform(0, 12)
    return poses.astype(np.float32), random.uniform(-0.5, 1, (people, points)).astype(np.float32)


@pytest.mark.parametrize("points,count", [(17, 8), (17, None), (5, 1), (14, 5)])
def test_the_same_people_are_left_in_the_same_order(points, count):
    random, dropped, out_of_order = np.random.RandomState(0), 0, 0
    for _ in range(300):
        people, more = random.randint(1, 12), random.randint(0, 4)
        poses, scores = crowd(random, people, points)
        distance = float(random.choice([0.05, 0.1, 0.2]))
        records = [{"keypoints": pose, "score": score} for pose, score in zip(poses, scores)]
        expected = post_processing.nearby_joints_nms(records, distance, count, score_per_joint=True, max_dets=30)
        others = [np.concatenate(both) for both in zip((poses, scores), crowd(random, more, points))]
        both = [torch.from_numpy(np.stack([one, one[::-1]])) for one in others]
        valid = torch.arange(people + more) < people
        kept, there = nearby_joints_nms(both[0], both[1].mean(2), torch.stack([valid, valid.flip(0)]), distance, count)
        assert kept[0, there[0]].tolist() == list(map(int, expected))
        assert (people + more - 1 - kept[1, there[1]]).tolist() == list(map(int, expected))
        dropped += people - len(expected)
        out_of_order += bool((np.diff(scores.mean(1)[expected]) > 0).any())
    assert dropped > 300 and out_of_order > 0


def test_of_people_who_have_one_score_the_first_one_is_first_and_a_point_is_left():
    poses = torch.zeros(1, 3, 17, 2) + 1000 * torch.arange(3)[:, None, None]
    kept, there = nearby_joints_nms(poses, torch.ones(1, 3), torch.ones(1, 3, dtype=torch.bool), 0.1, 8)
    assert kept.tolist() == [[0, 1, 2]] and there.all()


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("larger", [1, 4])
def test_poses_and_scores_are_those_of_mmpose(larger, align_corners):
    random, found = np.random.RandomState(0), 0
    torch.manual_seed(0)
    for _ in range(10):
        height, width = random.randint(6, 20, 2)
        heat, offsets = 0.3 * torch.randn(2, 6, height, width), 6 * torch.randn(2, 10, height, width)
        parser = HeatmapOffsetParser({"num_joints": 5, "keypoint_threshold": 0.01, "max_num_people": 9})
        size = (int(height) * larger, int(width) * larger)
        places, middles, valid = decoded(parser, heat[:, :1], offsets)
        heats = heats_at(heat[:, 1:], places * 4.0, size, align_corners)
        for image in range(2):
            one, there = slice(image, image + 1), valid[image]
            expected = parser.decode(heat[one], offsets[one])
            expected[..., :2] *= 4.0
            maps = functional.interpolate(heat[one], size=size, mode="bilinear", align_corners=align_corners)
            expected = parser.refine_score(maps, expected)
            close = {"atol": 3e-5, "rtol": 1e-4}
            torch.testing.assert_close(4.0 * places[image, there], expected[..., :2], **close)
            torch.testing.assert_close(heats[image, there], expected[..., 3], **close)
            torch.testing.assert_close((middles[..., None] * heats)[image, there], expected[..., 2], **close)
            found += len(expected)
    assert found > 100
