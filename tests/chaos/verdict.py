"""The promises that must hold for every job when all is over, however it went."""

from typing import Any

from runtime.runs.job_states import FINAL
from tests.chaos.handlers import IMAGES
from tests.chaos.stage import Stage

STEPS = {
    "publish": ("create", *(f"image-{n}" for n in range(IMAGES)), "activate"),
    "browsed": ("first", "second"),
    "blind": ("blind",),
    "gated": ("only",),
}


def wrong_with(stage: Stage, actions: dict[str, str]) -> list[str]:
    """Every broken promise, with all that is known of its job.

    Args:
        actions: what was asked for, by reference.
    """
    jobs = stage.jobs()
    noted = [row["reference"] for row in stage.rows("SELECT reference FROM public.chaos_effects")]
    found: list[str] = []
    for reference, action in actions.items():
        job = jobs.get(reference)
        if job is None:
            found.append(f"{reference}: the job is lost")
            continue
        problems = _of_job(stage, job, action, reference)
        times = noted.count(reference)
        if times > 1 or (action == "publish" and job["status"] == "completed" and times != 1):
            problems.append(f"its transaction was committed {times} times")
        if problems:
            found.append(_told(stage, job, reference, action, problems))
    return found


def _of_job(stage: Stage, job: dict[str, Any], action: str, reference: str) -> list[str]:
    problems = []
    journal = stage.journal(job["id"])
    if any(step["status"] == "started" for step in journal):
        problems.append("a step is still 'started'")
    paused = job["status"] == "paused"
    if paused:
        problems += _of_question(job, journal, action)
    elif job["status"] not in FINAL:
        problems.append(f"it is {job['status']}")
    elif job["status"] != "completed":
        problems.append(f"it ended {job['status']}")
    for name in STEPS[action]:
        effects = stage.marketplace.effects(f"{reference}-{name}")
        if len(effects) > 1 or (len(effects) != 1 and not paused):
            problems.append(f"{name} was written {len(effects)} times")
        elif not paused and job["status"] == "completed":
            told = _told_result(job["result_data"], name)
            if told != {"number": effects[0].number}:
                problems.append(f"{name} was told {told}, and made {effects[0].number}")
    return problems


def _of_question(job: dict[str, Any], journal: list[dict[str, Any]], action: str) -> list[str]:
    asked = [one["name"] for one in journal if one["status"] == "unknown"]
    if action != "blind":
        return ["it is paused although it can look"]
    if not asked or not all(f"did step {name!r} take effect" in job["waiting_reason"]
                            for name in asked):  # fmt: skip
        return ["it is paused without a question"]
    return []


def _told_result(result: Any, name: str) -> Any:
    if name.startswith("image-"):
        return result["images"][int(name.removeprefix("image-"))]
    return result[name]


def _told(
    stage: Stage, job: dict[str, Any], reference: str, action: str, problems: list[str]
) -> str:
    lines = [f"{reference} (job {job['id']}): {'; '.join(problems)}"]
    kept = ("status", "node_id", "fence", "retry_count", "snooze_count", "poison_count",
            "waiting_reason", "error_message", "failed_step", "result_data")  # fmt: skip
    lines.append(f"  job: { {name: job[name] for name in kept} }")
    lines += [f"  step: {step}" for step in stage.journal(job["id"])]
    for name in STEPS[action]:
        lines += [f"  write: {one}" for one in stage.marketplace.writes(f"{reference}-{name}")]
    return "\n".join(lines)
