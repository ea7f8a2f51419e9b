using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Generators;

// Writing the members that look tokens up.
internal static partial class ClassWriter
{
    // In one piece, the template would read as if this were a type of the generator.
    private const string VocabularyClass = "Vocabulary";

    private static void WriteVocabulary(SourceWriter writer, SoftmaxLayout layout)
    {
        writer.OpenRegion("Vocabulary");
        writer.WriteLines($$"""
            /// <summary>Looks up {{Plural(layout.VocabularySize, "token")}} by bytes, text, id and slot, without allocation and without work at start-up.</summary>
            {{GeneratedCode}}
            public static class {{VocabularyClass}}
            {
                /// <summary>Finds a token by its bytes.</summary>
                /// <param name="token">The bytes.</param>
                /// <param name="slot">Where the token stands, or the default value if there is none.</param>
                /// <returns>Whether the vocabulary has the token.</returns>
                public static bool TryGetSlot(global::System.ReadOnlySpan<byte> token, out global::AdaptiveSoftmax.Vocabulary.TokenSlot slot) =>
                    TryCreate(global::AdaptiveSoftmax.Vocabulary.TokenLookup<Tables>.FindSlot(token), out slot);

                /// <summary>Finds a token by its text, which stands for its bytes in UTF-8.</summary>
                /// <param name="token">The text. Text that UTF-8 cannot write, such as half a surrogate pair, is no token.</param>
                /// <param name="slot">Where the token stands, or the default value if there is none.</param>
                /// <returns>Whether the vocabulary has the token.</returns>
                public static bool TryGetSlot(string token, out global::AdaptiveSoftmax.Vocabulary.TokenSlot slot) =>
                    TryCreate(global::AdaptiveSoftmax.Vocabulary.TokenLookup<Tables>.FindSlot(global::System.MemoryExtensions.AsSpan(token)), out slot);

                /// <summary>Finds a token by its id.</summary>
                /// <param name="tokenId">Any number.</param>
                /// <param name="slot">Where the token stands, or the default value if there is none.</param>
                /// <returns>Whether the vocabulary has the id.</returns>
                public static bool TryGetSlot(int tokenId, out global::AdaptiveSoftmax.Vocabulary.TokenSlot slot) =>
                    TryCreate(global::AdaptiveSoftmax.Vocabulary.IdLookup<Tables>.FindSlot(tokenId), out slot);

                /// <summary>Where the token with an id stands.</summary>
                /// <param name="tokenId">The id of a token of the vocabulary.</param>
                /// <exception cref="global::System.ArgumentOutOfRangeException">The vocabulary has no such id.</exception>
                public static global::AdaptiveSoftmax.Vocabulary.TokenSlot GetSlot(int tokenId) => TryGetSlot(tokenId, out global::AdaptiveSoftmax.Vocabulary.TokenSlot slot)
                    ? slot
                    : throw new global::System.ArgumentOutOfRangeException("tokenId", tokenId, "The vocabulary has no token with this id.");

                /// <summary>The bytes of the token in a slot.</summary>
                /// <param name="slot">A slot in [0, <see cref="VocabularySize"/>).</param>
                /// <exception cref="global::System.ArgumentOutOfRangeException">There is no such slot.</exception>
                public static global::System.ReadOnlySpan<byte> GetToken(int slot) => global::AdaptiveSoftmax.Vocabulary.TokenLookup<Tables>.GetToken(slot);

                /// <summary>The id of the token in a slot.</summary>
                /// <param name="slot">A slot in [0, <see cref="VocabularySize"/>).</param>
                /// <exception cref="global::System.ArgumentOutOfRangeException">There is no such slot.</exception>
                public static int GetTokenId(int slot) => global::AdaptiveSoftmax.Vocabulary.IdLookup<Tables>.GetId(slot);

                private static bool TryCreate(int found, out global::AdaptiveSoftmax.Vocabulary.TokenSlot slot)
                {
                    slot = found < 0 ? default : global::AdaptiveSoftmax.Vocabulary.TokenSlot.Create(GetTokenId(found), found, Cutoffs);
                    return found >= 0;
                }
            }

            /// <inheritdoc/>
            {{GeneratedCode}}
            protected override int FindSlot(int tokenId) => global::AdaptiveSoftmax.Vocabulary.IdLookup<Tables>.FindSlot(tokenId);

            /// <inheritdoc/>
            {{GeneratedCode}}
            protected override int GetTokenId(int slot) => global::AdaptiveSoftmax.Vocabulary.IdLookup<Tables>.GetId(slot);
            """);
        writer.WriteLine();
        writer.CloseRegion();
    }
}
