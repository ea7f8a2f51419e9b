namespace AdaptiveSoftmax.Vocabulary;

/// <summary>What a softmax does most, and so what its clusters are planned for.</summary>
public enum SoftmaxUse
{
    /// <summary>Training steps: the loss of a batch of targets, its gradients, an update of the weights.</summary>
    Training,

    /// <summary>Decoding that takes the most probable token.</summary>
    Greedy,

    /// <summary>Decoding that asks for the k most probable tokens.</summary>
    TopK,

    /// <summary>Decoding that draws from the model's own distribution.</summary>
    Sampling,

    /// <summary>A server's steps: sequences decoded together, half of them greedily, half by drawing.</summary>
    Serving,
}
