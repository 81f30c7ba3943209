"""From measurements to a twin: priors, likelihood, fit, posterior and what the data could not tell."""
