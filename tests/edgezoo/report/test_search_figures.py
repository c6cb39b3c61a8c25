from edgezoo.report.search_figures import BaselinePoint, candidates_and_front, learning_curves, pareto


def test_the_picture_shows_every_candidate_and_the_front_as_steps(found):
    candidates, front = candidates_and_front(found.result).data
    assert sorted(zip(candidates.x, candidates.y, strict=True)) == sorted(
        (c.predicted_ms, 100 * c.accuracy) for c in found.result.candidates
    )
    assert front.line.shape == "hv"
    assert list(front.x) == sorted(front.x) and list(front.y) == sorted(front.y)
    assert all("16px conv8" in text for text in candidates.text)


def test_a_baseline_without_accuracy_is_a_tick_on_the_latency_axis(found):
    ms = found.result.budget_ms
    baselines = [BaselinePoint("trained", ms, 0.5), BaselinePoint("not", ms / 2)]
    *_, trained, tick = pareto(found.result, baselines, what="onnxruntime fp32").data
    assert (trained.x, trained.y) == ((ms,), (50.0,))
    assert tick.x == (ms / 2,) and tick.yaxis == "y2" and tick.marker.symbol == "line-ns"


def test_curves_are_drawn_apart_and_the_best_on_top():
    all_of_them, best = learning_curves({3: [0.1, 0.2], 5: [0.3]}, best=5).data
    assert all_of_them.x == (1, 2, None, 1, None)
    assert all_of_them.y == (10.0, 20.0, None, 30.0, None)
    assert best.y == (30.0,)
    assert len(learning_curves({3: [0.1]}, best=5).data) == 1
