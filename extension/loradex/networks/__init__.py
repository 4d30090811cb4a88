"""Networks as tensors: one class for each type, the plan and the patcher."""
