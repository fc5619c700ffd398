"""Every torchmetrics class that can be tapped: one table for the tests and for docs/python.md."""
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

N = 4  # classes and labels


class Case(NamedTuple):
    kind: str                 # name of the class
    arguments: Dict[str, Any]
    selector: Optional[str]   # what the server calls it.  None: the matrix itself is compared
    twin: Optional[Tuple[str, Dict[str, Any]]] = None  # where the class computes no single number: a metric of the same state that does

    @property
    def family(self) -> str:
        """Classes of one family are updated with the same arguments."""
        if self.kind.endswith("ExactMatch") or self.kind in ("Perplexity", "MeanMetric", "SumMetric"):
            return self.kind if self.kind != "SumMetric" else "MeanMetric"
        for prefix in ("Binary", "Multiclass", "Multilabel"):
            if self.kind.startswith(prefix):
                return prefix
        return "Regression"

    @property
    def declared(self) -> Tuple[Any, Any]:
        """What holds for a whole stage."""
        return self.arguments.get("ignore_index"), self.arguments.get("top_k")


CURVE = {"thresholds": 50}
C, L = {"num_classes": N}, {"num_labels": N}
MACRO, LABELS = {**C, "average": "macro"}, {**L, "average": "macro"}
SIX = {"num_classes": 6, "average": "macro"}  # classes 4 and 5 are predicted only


def curves(prefix: str, size: Dict[str, Any]) -> List[Case]:
    twin = (prefix + "AUROC", {**size, **CURVE})
    return [Case(prefix + kind, {**size, **CURVE, **more}, "auroc", twin) for kind, more in (
        ("ROC", {}), ("PrecisionRecallCurve", {}), ("EER", {}), ("LogAUC", {}), ("RecallAtFixedPrecision", {"min_precision": 0.5}),
        ("PrecisionAtFixedRecall", {"min_recall": 0.5}), ("SensitivityAtSpecificity", {"min_specificity": 0.5}),
        ("SpecificityAtSensitivity", {"min_sensitivity": 0.5}))]


CATALOGUE = [
    Case("BinaryAccuracy", {}, "accuracy"), Case("BinaryPrecision", {}, "precision"), Case("BinaryRecall", {}, "recall"), Case("BinaryF1Score", {}, "f1"),
    Case("BinaryFBetaScore", {"beta": 2.0}, "fbeta@2"), Case("BinarySpecificity", {}, "specificity"), Case("BinaryHammingDistance", {}, "hamming"),
    Case("BinaryNegativePredictiveValue", {}, "npv"), Case("BinaryStatScores", {}, "f1", ("BinaryF1Score", {})),
    Case("BinaryJaccardIndex", {}, "jaccard"), Case("BinaryMatthewsCorrCoef", {}, "mcc"), Case("BinaryCohenKappa", {}, "kappa"),
    Case("BinaryConfusionMatrix", {}, "kappa", ("BinaryCohenKappa", {})), Case("BinaryAUROC", CURVE, "auroc"), Case("BinaryAveragePrecision", CURVE, "average_precision"),
    *curves("Binary", {}),
    Case("MulticlassAccuracy", MACRO, "accuracy.macro"), Case("MulticlassAccuracy", {**C, "average": "micro"}, "accuracy"),
    Case("MulticlassAccuracy", {**C, "average": "none"}, "accuracy.none"), Case("MulticlassPrecision", MACRO, "precision.macro"),
    Case("MulticlassRecall", {**C, "average": "weighted"}, "recall.weighted"), Case("MulticlassF1Score", MACRO, "f1.macro"),
    Case("MulticlassFBetaScore", {**MACRO, "beta": 0.5}, "fbeta@0.5.macro"), Case("MulticlassSpecificity", MACRO, "specificity.macro"),
    Case("MulticlassHammingDistance", {**C, "average": "micro"}, "hamming"), Case("MulticlassNegativePredictiveValue", MACRO, "npv.macro"),
    Case("MulticlassStatScores", MACRO, "f1.macro", ("MulticlassF1Score", MACRO)),
    Case("MulticlassConfusionMatrix", C, None), Case("MulticlassJaccardIndex", MACRO, "jaccard.macro"), Case("MulticlassMatthewsCorrCoef", C, "mcc"),
    Case("MulticlassCohenKappa", {**C, "weights": "linear"}, "kappa@linear"), Case("MulticlassAUROC", {**C, **CURVE}, "auroc"),
    Case("MulticlassAveragePrecision", {**C, **CURVE}, "average_precision"), *curves("Multiclass", C),
    # ignore_index and top_k are declared by the tap itself
    Case("MulticlassAccuracy", {**MACRO, "ignore_index": 1}, "accuracy.macro"), Case("MulticlassJaccardIndex", {**MACRO, "ignore_index": 1}, "jaccard.macro"),
    Case("MulticlassAccuracy", {**C, "average": "micro", "top_k": 2}, "accuracy"), Case("MulticlassAccuracy", {**SIX, "top_k": 2}, "accuracy.macro"),
    Case("MulticlassPrecision", {**SIX, "top_k": 2}, "precision.macro"), Case("MulticlassRecall", {**SIX, "top_k": 2}, "recall.macro"),
    Case("MulticlassF1Score", {**SIX, "top_k": 2}, "f1.macro"),
    Case("MultilabelAccuracy", LABELS, "accuracy.macro"), Case("MultilabelAccuracy", {**L, "average": "micro"}, "accuracy"),
    Case("MultilabelPrecision", LABELS, "precision.macro"), Case("MultilabelRecall", LABELS, "recall.macro"),
    Case("MultilabelF1Score", {**L, "average": "weighted"}, "f1.weighted"), Case("MultilabelFBetaScore", {**LABELS, "beta": 2.0}, "fbeta@2.macro"),
    Case("MultilabelSpecificity", LABELS, "specificity.macro"), Case("MultilabelHammingDistance", LABELS, "hamming.macro"),
    Case("MultilabelNegativePredictiveValue", LABELS, "npv.macro"), Case("MultilabelStatScores", LABELS, "f1.macro", ("MultilabelF1Score", LABELS)),
    Case("MultilabelJaccardIndex", LABELS, "jaccard.macro"), Case("MultilabelMatthewsCorrCoef", L, "mcc"),
    Case("MultilabelConfusionMatrix", L, "mcc", ("MultilabelMatthewsCorrCoef", L)), Case("MultilabelAUROC", {**L, **CURVE}, "auroc"),
    Case("MultilabelAveragePrecision", {**L, **CURVE}, "average_precision"), *curves("Multilabel", L),
    Case("MulticlassExactMatch", C, "exact_match"), Case("MultilabelExactMatch", L, "exact_match"), Case("MeanMetric", {}, "mean"), Case("SumMetric", {}, "sum"),
    Case("MeanSquaredError", {}, "mse"), Case("MeanSquaredError", {"squared": False}, "rmse"), Case("MeanAbsoluteError", {}, "mae"), Case("R2Score", {}, "r2"),
    Case("PearsonCorrCoef", {}, "pearson"), Case("ConcordanceCorrCoef", {}, "concordance"), Case("ExplainedVariance", {}, "explained_variance"),
    Case("Perplexity", {}, "perplexity"),
]
