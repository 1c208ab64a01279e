"""The sub-items of TRIPOD+AI (Collins et al. 2024, BMJ 385:e078378), in this project's words.

The checklist itself decides what an item asks for; these are reminders.
"""

from __future__ import annotations

from typing import NamedTuple

BOTH, DEVELOPMENT, EVALUATION = "D;E", "D", "E"
"""Whether an item is about developing a model, evaluating one, or both."""


class Item(NamedTuple):
    """One sub-item.

    Parameters
    ----------
    number : str
        Its number in the checklist.
    section, topic : str
        Where it stands in an article, and what it is about.
    applies : str
        `BOTH`, `DEVELOPMENT` or `EVALUATION`.
    asks : str
        What it asks for, in short.
    left : str
        What the authors have to write; "" where a record usually knows everything.
    """

    number: str
    section: str
    topic: str
    applies: str
    asks: str
    left: str


_FRONT, _INTRODUCTION, _METHODS = "Title and abstract", "Introduction", "Methods"
_OPEN, _PUBLIC = "Open science", "Patient and public involvement"
_RESULTS, _DISCUSSION = "Results", "Discussion"

ITEMS = (
    Item(
        *("1", _FRONT, "Title", BOTH),
        "That a prediction model is developed or evaluated, for whom, and for which outcome.",
        "the target population, and the outcome in clinical words.",
    ),
    Item(
        *("2", _FRONT, "Abstract", BOTH),
        "An abstract by TRIPOD+AI's own checklist for abstracts.",
        "the abstract; its numbers are under 20a, 21 and 23a.",
    ),
    Item(
        *("3a", _INTRODUCTION, "Background", BOTH),
        "The clinical problem, diagnostic or prognostic, and why a model, given those that exist.",
        "the clinical problem, existing models and what they lack.",
    ),
    Item(
        *("3b", _INTRODUCTION, "Background", BOTH),
        "For whom the model is meant, for which decision in their care, and who uses it.",
        "target population, purpose, place in the care of a patient, and users.",
    ),
    Item(
        *("3c", _INTRODUCTION, "Background", BOTH),
        "Health inequalities between sociodemographic groups that are known.",
        "what is known of inequalities in this disease and its care.",
    ),
    Item(
        *("4", _INTRODUCTION, "Objectives", BOTH),
        "The aims: development, evaluation, or both.",
        "the aims of the study, and any evaluation on data from elsewhere.",
    ),
    Item(
        *("5a", _METHODS, "Data", BOTH),
        "Sources of the data for development and evaluation, why these, and whom they represent.",
        "kind of study (trial, cohort, registry, routine care), why these data, and whom they "
        "represent.",
    ),
    Item(
        *("5b", _METHODS, "Data", BOTH),
        "Dates: first and last inclusion, end of follow-up.",
        "first and last date of inclusion, and the date at which follow-up ended.",
    ),
    Item(
        *("6a", _METHODS, "Participants", BOTH),
        "The setting: level of care, number of centres and where they are.",
        "level of care, number and places of the centres.",
    ),
    Item(
        *("6b", _METHODS, "Participants", BOTH),
        "Who was eligible.",
        "criteria of inclusion and exclusion.",
    ),
    Item(
        *("6c", _METHODS, "Participants", BOTH),
        "Treatments received, and how the analysis deals with them.",
        "treatments before and during follow-up, and how the analysis deals with them.",
    ),
    Item(
        *("7", _METHODS, "Data preparation", BOTH),
        "How data were cleaned, checked and transformed, and whether alike in all groups.",
        "cleaning and checks before the table reached survkit, and whether they were alike in all "
        "sociodemographic groups.",
    ),
    Item(
        *("8a", _METHODS, "Outcome", BOTH),
        "The outcome and its horizon, how and when it was assessed, why it was chosen, and whether "
        "it was assessed alike in all groups.",
        "what the event is in clinical words, when time starts, how and when the event was "
        "assessed, why this outcome and horizon, and whether it was assessed alike in all groups.",
    ),
    Item(
        *("8b", _METHODS, "Outcome", BOTH),
        "Who judged the outcome, where it takes judgement.",
        "qualifications and demographics of those who judged it, or that no judgement was needed.",
    ),
    Item(
        *("8c", _METHODS, "Outcome", BOTH),
        "Blinding of those who assessed the outcome.",
        "what the assessors of the outcome did not know.",
    ),
    Item(
        *("9a", _METHODS, "Predictors", DEVELOPMENT),
        "How the first set of predictors was chosen, and any selection before the model.",
        "why these predictors were collected, and any selection before the table reached survkit.",
    ),
    Item(
        *("9b", _METHODS, "Predictors", BOTH),
        "Every predictor: what it is, how and when it was measured, and blinding.",
        "what each predictor is, with its unit, how and when it was measured, and blinding to the "
        "outcome. All must be known at the time of prediction.",
    ),
    Item(
        *("9c", _METHODS, "Predictors", BOTH),
        "Who judged a predictor, where it takes judgement.",
        "qualifications and demographics of those who judged one, or that no judgement was needed.",
    ),
    Item(
        *("10", _METHODS, "Sample size", BOTH),
        "Where the size of the study comes from, and why it is enough for both purposes.",
        "how the size was decided, and a calculation that it is enough for development and for "
        "evaluation.",
    ),
    Item(
        *("11", _METHODS, "Missing data", BOTH),
        "How missing values were handled, and why any data were left out.",
        "why values are missing, and rows or columns that were left out before the table reached "
        "survkit, with the reasons.",
    ),
    Item(
        *("12a", _METHODS, "Use of the data", DEVELOPMENT),
        "Which data served for what, and how they were divided.",
        "",
    ),
    Item(
        *("12b", _METHODS, "Handling of predictors", DEVELOPMENT),
        "Functional form, scaling and other transformations of the predictors.",
        "",
    ),
    Item(
        *("12c", _METHODS, "Model building", DEVELOPMENT),
        "Type of model and why, every step of building it, tuning, and internal validation.",
        "why this type of model; how its settings were chosen (a search that led to them is not in "
        "this record); any internal validation beyond the division of 12a.",
    ),
    Item(
        *("12d", _METHODS, "Heterogeneity", BOTH),
        "How differences between clusters, such as hospitals, were handled and measured.",
        "whether there are clusters, and how differences between them were handled and measured.",
    ),
    Item(
        *("12e", _METHODS, "Measures of performance", BOTH),
        "All measures and plots of performance with their rationale, and how models are compared.",
        "which of these measures the study relies on and why; plots, clinical utility and "
        "comparisons with other models.",
    ),
    Item(
        *("12f", _METHODS, "Model updating", EVALUATION),
        "Any updating of the model, such as recalibration, that the evaluation led to.",
        "",
    ),
    Item(
        *("12g", _METHODS, "Predictions", EVALUATION),
        "How the predictions that were evaluated were calculated.",
        "",
    ),
    Item(
        *("13", _METHODS, "Class imbalance", BOTH),
        "Any method against class imbalance, and recalibration after it.",
        "",
    ),
    Item(
        *("14", _METHODS, "Fairness", BOTH),
        "Approaches to fairness, and why these.",
        "approaches outside the fit, such as the choice of predictors or of groups to examine, and "
        "why.",
    ),
    Item(
        *("15", _METHODS, "Model output", DEVELOPMENT),
        "What the model returns; for classes, why and by which thresholds.",
        "",
    ),
    Item(
        *("16", _METHODS, "Development against evaluation", BOTH),
        "Differences of the two sets of data in setting, eligibility, outcome and predictors.",
        "",
    ),
    Item(
        *("17", _METHODS, "Ethical approval", BOTH),
        "The ethics committee, and informed consent or its waiver.",
        "name of the committee, number of the approval, and consent or its waiver.",
    ),
    Item(
        *("18a", _OPEN, "Funding", BOTH),
        "Who funded the study, and their part in it.",
        "funders and their role.",
    ),
    Item(
        *("18b", _OPEN, "Conflicts of interest", BOTH),
        "Conflicts of interest of all authors.",
        "conflicts of interest and financial disclosures, or that there are none.",
    ),
    Item(
        *("18c", _OPEN, "Protocol", BOTH),
        "Where the protocol is, or that there is none.",
        "where the protocol is, or that there is none.",
    ),
    Item(
        *("18d", _OPEN, "Registration", BOTH),
        "Register and number, or that the study was not registered.",
        "register and number, or that the study was not registered.",
    ),
    Item(
        *("18e", _OPEN, "Data sharing", BOTH),
        "Whether and how others can have the data.",
        "how readers can have the data, or why they cannot.",
    ),
    Item(
        *("18f", _OPEN, "Code sharing", BOTH),
        "Whether and how others can have the code of the analysis.",
        "where the code of the analysis is, with everything before and after survkit.",
    ),
    Item(
        *("19", _PUBLIC, "Patient and public involvement", BOTH),
        "How patients and the public took part, or that they did not.",
        "how they took part in design, conduct, reporting or dissemination, or that they did not.",
    ),
    Item(
        *("20a", _RESULTS, "Participants", BOTH),
        "Flow of participants, numbers with and without the outcome, and follow-up.",
        "how many were screened, eligible and excluded, and why; a flow diagram helps.",
    ),
    Item(
        *("20b", _RESULTS, "Participants", BOTH),
        "Characteristics: predictors, demographics, treatments, dates, events, follow-up and "
        "missing values, and differences between groups.",
        "dates, treatments and characteristics that are no predictors; differences between key "
        "demographic groups (`python -m survkit.describe --by COLUMN` compares groups).",
    ),
    Item(
        *("20c", _RESULTS, "Participants", EVALUATION),
        "Predictors and outcome in the evaluation data beside those in the development data.",
        "",
    ),
    Item(
        *("21", _RESULTS, "Model development", BOTH),
        "Participants and events in each analysis.",
        "",
    ),
    Item(
        *("22", _RESULTS, "Model specification", DEVELOPMENT),
        "The full model, so that others can predict with it, and limits of its use.",
        "where others find the model, and any restriction of access or use.",
    ),
    Item(
        *("23a", _RESULTS, "Model performance", BOTH),
        "Performance with confidence intervals, also in key subgroups, and plots.",
        "performance in key subgroups, and plots (`python -m survkit.report` draws them).",
    ),
    Item(
        *("23b", _RESULTS, "Model performance", BOTH),
        "Differences of performance between clusters, where examined.",
        "performance in each cluster, or that it was not examined.",
    ),
    Item(
        *("24", _RESULTS, "Model updating", EVALUATION),
        "The updated model and its performance.",
        "",
    ),
    Item(
        *("25", _DISCUSSION, "Interpretation", BOTH),
        "What the results mean for the aims, beside earlier studies, fairness included.",
        "the interpretation.",
    ),
    Item(
        *("26", _DISCUSSION, "Limitations", BOTH),
        "Limitations and what they do to bias, precision and generalisability.",
        "limitations of the sample, the outcome and the predictors, and what they and those above "
        "do to the results.",
    ),
    Item(
        *("27a", _DISCUSSION, "Use in current care", DEVELOPMENT),
        "How poor or missing input is noticed and handled where the model is used.",
        "who checks the input where the model is used, and when it must not be used.",
    ),
    Item(
        *("27b", _DISCUSSION, "Use in current care", DEVELOPMENT),
        "What users do with the input or the model, and the expertise that they need.",
        "what users have to do, and which expertise they need.",
    ),
    Item(
        *("27c", _DISCUSSION, "Use in current care", BOTH),
        "Next steps of research, with a view to applicability and generalisability.",
        "next steps, such as evaluation in other places and times.",
    ),
)
"""All sub-items, in the order of the checklist."""
