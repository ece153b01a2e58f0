"""What is built for installation."""
