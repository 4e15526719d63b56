"""What a run's numbers and rows are as files of a repository of the Hugging Face Hub."""
