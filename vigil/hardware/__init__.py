"""What the machine under a model is doing: GPU through NVML, host through /proc."""
