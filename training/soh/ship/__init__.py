"""The weights of `neural_soh` for charges as assets get them: training, export, evaluation."""
