"""The verbs about judges: whether they agree, and grading again."""

from tellme.arguments import Options


def judge(options: Options) -> None:
    """Say how judges agree with labels, and with one another, on the same answers."""
    from tellme.study.agree import agree_text

    print(agree_text(options.file, options.judge, options.threshold, options.label, options.out))


def grade(options: Options) -> None:
    """Grade the stored answers of a finished study by another judge."""
    from tellme.report.analysis.summary import read_whole_summary
    from tellme.report.text import results_text
    from tellme.study.regrade import grade_again

    folder = grade_again(options.folder, options.judge)
    print(results_text(read_whole_summary(folder), folder))
