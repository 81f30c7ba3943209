"""Where and how the steps are carried out."""
