"""The encoder's ONNX graph, written node by node.

``weights``    plain arrays in torch's layout, so that nothing here needs torch; ``patch_weights``
``builder``    nodes and constants in the making
``cells``      recurrent layers, one or two directions, and projections
``minimal``    the recurrent layer that ONNX has no operator for
``frequency``  what each frame goes through first
``patches``    what is looked at instead of single frames: by dictionaries, or by a stem
``readouts``   from states and outputs to embeddings
``sums``       running sums over time
``moments``    the same statistics, step by step
``encoder``    the whole graph: start here
``narrow``     the same graph with its weights stored small
``foreign``    networks of others, read
``allowed``    the same in the operators of a model file

Not ``torch.onnx.export``: it freezes the traced number of frames while declaring the axis dynamic. What
keeps the graph bit-identical over cuts, batch sizes and neighbours: every matrix product has a constant
right side (packed once), there is no convolution over time, and running sums are a cumulative sum over
``[state, x...]``, so that the order of additions never changes.
"""

from streamdeep_trainer.graph.encoder import encoder_contract as encoder_contract
from streamdeep_trainer.graph.encoder import write_encoder as write_encoder
from streamdeep_trainer.graph.narrow import WeightKind as WeightKind
from streamdeep_trainer.graph.narrow import narrow as narrow
from streamdeep_trainer.graph.patch_weights import DictionaryWeights as DictionaryWeights
from streamdeep_trainer.graph.patch_weights import PatchWeights as PatchWeights
from streamdeep_trainer.graph.readouts import LENGTH_FLOOR as LENGTH_FLOOR
from streamdeep_trainer.graph.readouts import ROOT_FLOOR as ROOT_FLOOR
from streamdeep_trainer.graph.readouts import ROUGHNESS_FLOOR as ROUGHNESS_FLOOR
from streamdeep_trainer.graph.readouts import SCORE_BOUND as SCORE_BOUND
from streamdeep_trainer.graph.readouts import VARIANCE_FLOOR as VARIANCE_FLOOR
from streamdeep_trainer.graph.readouts import heads_of as heads_of
from streamdeep_trainer.graph.weights import EncoderWeights as EncoderWeights
from streamdeep_trainer.graph.weights import FrequencyWeights as FrequencyWeights
from streamdeep_trainer.graph.weights import GruLayer as GruLayer
from streamdeep_trainer.graph.weights import LstmLayer as LstmLayer
from streamdeep_trainer.graph.weights import MinimalLayer as MinimalLayer
from streamdeep_trainer.graph.weights import Projection as Projection
from streamdeep_trainer.graph.weights import RecurrentLayer as RecurrentLayer
from streamdeep_trainer.graph.weights import Scaling as Scaling
