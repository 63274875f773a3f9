"""What makes an image worth a person's time, one measure a file. All pure."""
