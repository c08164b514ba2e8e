"""What a base can be asked: questions of known answer, in every format that suites use."""
