#!/usr/bin/env python3
"""Keras: a small classifier on made-up data.  Two lines are for tally."""
import keras
import numpy

from tally.keras import TallyCallback


def main(epochs=3):
    rng = numpy.random.default_rng(1)
    targets = rng.integers(0, 3, 240)
    points = rng.normal(size=(240, 2)) + numpy.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])[targets]
    model = keras.Sequential([keras.layers.Dense(3)])
    model.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(
        points, targets, epochs=epochs, validation_split=0.2, verbose=0,
        callbacks=[TallyCallback("blobs", "keras")],
    )


if __name__ == "__main__":
    main()
