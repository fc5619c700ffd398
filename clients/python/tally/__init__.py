"""Log counts, not averages: the Python client of the Tally experiment tracker.

    import tally
    run = tally.init("digits")
    run.log_predictions("train", epoch, step, logits, targets, num_classes=10)

The server adds the counts up, so the values of an epoch are exact whatever the order of the data, the size of the batches or
the number of ranks.  Nothing here blocks or breaks a training loop: records go to a queue, from there to a file, and from
there to the server, as often as it takes.
"""
from ._errors import Refused, TallyError, Unavailable
from ._init import init
from ._run import Run

__all__ = ["init", "Run", "TallyError", "Refused", "Unavailable", "__version__"]
__version__ = "1.0.0"
