"""The schema of a study, its YAML, and the fields of PEFT and TRL that it may set."""
