"""Running the model: what a model is (profiles), where it fits (plan), and the engines that serve it."""
