"""At masked frames, which cluster of patches the sound there belongs to.

After HuBERT (Hsu et al., TASLP 2021): labels are those of k-means on spectra, the loss counts at masked frames alone, and
a cluster is to be told, not values, so that what cannot be known of them costs nothing. Here the patches are
log-Mel, whitened, the clusters spherical, and the encoder causal: a masked frame is told from what was before it.
Not here: how the clusters are learnt, once, before training begins (``clustering.labels``).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from streamdeep_trainer.models.networks import Network
from streamdeep_trainer.models.patches import PatchDictionary, PatchShape
from streamdeep_trainer.models.rows import SILENCE, mask
from streamdeep_trainer.objectives.objective import Batch, Objective


class ClusterPrediction(Objective):
    """It adds the clusters, which stay as they were learnt, and a linear map from the outputs that a readout can pool to them."""

    def __init__(self, network: Network, patch: PatchShape) -> None:
        """Choose what is told.

        Args:
            network: any.
            patch: over all bands, with as many atoms as there are clusters.
        """
        telling = nn.Linear(network.encoder.shape.n_outputs, patch.atoms)
        super().__init__(
            network, nn.ModuleDict({"clusters": PatchDictionary(patch), "telling": telling})
        )

    @property
    def clusters(self) -> PatchDictionary:
        """What the labels come from."""
        found = self.own.get_submodule("clusters")
        assert isinstance(found, PatchDictionary)
        return found

    def labels(self, frames: Tensor) -> Tensor:
        """``(rows, time, features)`` to ``(rows, time)`` int64: the cluster of each frame with those before it.

        In full precision whatever the network's is: they are those that were learnt.
        """
        with torch.autocast(frames.device.type, enabled=False):
            labels: Tensor = self.clusters(frames).argmax(dim=2)
        return labels

    def forward(self, batch: Batch) -> Tensor:
        """The mean cross entropy over frames that are hidden whole and are not silent; 0 if there is none.

        Args:
            batch: with hidden values.
        """
        assert batch.hidden is not None
        counts = batch.hidden.all(dim=2) & mask(batch.lengths, batch.frames.shape[1])
        counts = counts & (batch.frames.amax(dim=2) > SILENCE)
        outputs, _ = self.encoder.run(batch.given, batch.lengths)
        told = self.own.get_submodule("telling")(outputs[counts]).float()
        errors = cross_entropy(told, self.labels(batch.frames)[counts], reduction="sum")
        return errors / counts.sum().clamp_min(1)
