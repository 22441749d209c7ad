"""The published optimizer step: Nesterov SGD, weight decay, gradient clipping, loss scaling under autocast."""
import torch
from torch import Tensor, nn

MOMENTUM = 0.99
WEIGHT_DECAY = 3e-5
CLIP = 12.0


class Optimizer:
    """One optimizer step is `start`, then `backward` for each micro-batch, then `finish`."""

    def __init__(self, model: nn.Module, lr: float, scale_loss: bool = False) -> None:
        self.parameters = list(model.parameters())
        self.sgd = torch.optim.SGD(
            self.parameters, lr, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY
        )
        self.scaler = torch.cuda.amp.GradScaler(enabled=scale_loss)

    def start(self, lr: float) -> None:
        for group in self.sgd.param_groups:
            group["lr"] = lr
        self.sgd.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        self.scaler.scale(loss).backward()

    def finish(self) -> Tensor:
        """Clips and updates; returns the norm of the gradients before clipping."""
        self.scaler.unscale_(self.sgd)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.scaler.step(self.sgd)
        self.scaler.update()
        return norm
