using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>What options, histories and masks must know of a softmax, wherever it computes: its sizes, and the slots of its tokens.</summary>
internal interface ISoftmaxVocabulary
{
    /// <summary>What must agree for one to serve the other.</summary>
    SoftmaxIdentity Identity { get; }

    /// <summary>The sizes.</summary>
    SoftmaxLayout Layout { get; }

    /// <summary>The slots of many ids.</summary>
    TokenIds TokenIds { get; }

    /// <summary>The slot of a token, or −1 for an id that is not in the vocabulary.</summary>
    int SlotOf(int tokenId);

    /// <summary>The id of the token in a slot.</summary>
    int TokenOf(int slot);
}
