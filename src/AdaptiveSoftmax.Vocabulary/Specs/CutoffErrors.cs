namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The check of cutoffs that needs the vocabulary's size, be it inline or in a table.</summary>
internal static class CutoffErrors
{
    public static void CheckBelow(int index, int cutoff, int vocabularySize, SourceSpan span, ErrorList errors)
    {
        if (cutoff >= vocabularySize)
            errors.Add(SpecErrorKind.CutoffBeyondVocabulary, span, $"cutoffs[{index}] is {cutoff}, but the vocabulary has only {vocabularySize} tokens.", $"Give a cutoff from 1 to {vocabularySize - 1}; the vocabulary size itself is not listed.");
    }
}
