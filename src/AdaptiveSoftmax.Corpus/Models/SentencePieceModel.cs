using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Makes the encoder of a SentencePiece model: unigrams or byte pairs.</summary>
internal static class SentencePieceModel
{
    /// <exception cref="CorpusException">The file is something else, or says what is not known here.</exception>
    public static TextModel Read(string path, byte[] bytes, string? endOfText)
    {
        var file = SentencePieceFile.Read(path, bytes);
        Check(path, file);
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var id = 0; id < file.Pieces.Count; id++) ids.TryAdd(file.Pieces[id].Text, id);
        var unknown = file.Pieces.FindIndex(piece => piece.Kind == PieceKind.Unknown);
        var byteIds = file.Pieces.Exists(piece => piece.Kind == PieceKind.Byte) ? JsonModels.FindBytes(ids) : null;
        var model = file.IsUnigram ? CreateUnigram(file, unknown, byteIds) : CreateBytePairs(file, unknown, byteIds);
        var joins = JsonModels.JoinsAcrossWords(file.Pieces.Select(piece => piece.Text)) || !ids.ContainsKey(SentencePieceNormalizer.Mark.ToString());
        var normalizer = new SentencePieceNormalizer(file);
        var pipeline = new TextPipeline(model) { Normalizers = [normalizer.Normalize], Splits = joins ? [] : [static (text, _) => JsonModels.CutBeforeMarks(text)] };
        return new PipelineModel(CreateVocabulary(path, file, endOfText), pipeline, joins ? TextBorder.None : TextBorder.Words, $"SentencePiece, {(file.IsUnigram ? "unigrams" : "byte pairs")}");
    }

    private static void Check(string path, SentencePieceFile file)
    {
        if (!file.Pieces.Exists(piece => piece.Kind == PieceKind.Unknown)) throw new CorpusException($"{Excerpt.Line(path)} has no unknown piece; give a .model as spm_train writes it.");
        if (!file.Pieces.Exists(piece => piece.Kind == PieceKind.Normal)) throw new CorpusException($"{Excerpt.Line(path)} has no ordinary piece; give a .model as spm_train writes it.");
        if (file.TreatsWhitespaceAsSuffix) throw Unknown(path, "white space as a suffix (treat_whitespace_as_suffix)");
        if (file.Pieces.Find(piece => piece.Kind == PieceKind.UserDefined) is { Text: { } symbol }) throw Unknown(path, $"the user-defined symbol {Excerpt.Quote(symbol)}");
        if (file.Pieces.Find(piece => piece.Kind == PieceKind.Unused) is { Text: { } unused }) throw Unknown(path, $"the unused piece {Excerpt.Quote(unused)}");
    }

    private static CorpusException Unknown(string path, string what) =>
        new($"{Excerpt.Line(path)} has {what}, which is not known here, and nothing is counted with a guess. Encode the text with spm_encode, and count its ids or pieces with --words.");

    private static Func<IWordModel> CreateUnigram(SentencePieceFile file, int unknown, int[]? byteIds)
    {
        var pieces = new UnigramPieces([.. file.Pieces.Select((piece, id) => (piece, id)).Where(pair => pair.piece.Kind == PieceKind.Normal).Select(pair => (pair.piece.Text, pair.id, (double)pair.piece.Score))], unknown, byteIds);
        return () => new UnigramEncoder(pieces);
    }

    private static Func<IWordModel> CreateBytePairs(SentencePieceFile file, int unknown, int[]? byteIds)
    {
        int[] byRank = [.. Enumerable.Range(0, file.Pieces.Count).Where(id => file.Pieces[id].Kind == PieceKind.Normal).OrderByDescending(id => file.Pieces[id].Score).ThenBy(id => id)];
        var pieces = new RankedPieces(new BytePairRanks(byRank.Select((id, rank) => (Encoding.UTF8.GetBytes(file.Pieces[id].Text), rank))), byRank, unknown, byteIds);
        return () => new RankedPieceEncoder(pieces);
    }

    // Tokens are written as the pieces are named: the byte 0x41 is <0x41>, and no other than the piece A.
    private static EncodedVocabulary CreateVocabulary(string path, SentencePieceFile file, string? endOfText)
    {
        var special = new Dictionary<string, int>(StringComparer.Ordinal);
        var ordinary = new byte[]?[file.Pieces.Count];
        var end = endOfText is null ? file.EndId : file.Pieces.FindIndex(piece => piece.Text == endOfText);
        if (endOfText is not null && end < 0) throw new CorpusException($"{Excerpt.Line(path)} has no piece {Excerpt.Quote(endOfText)} to end documents; give one that it has.");
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var id = 0; id < ordinary.Length; id++)
        {
            var piece = file.Pieces[id];
            if (!names.Add(piece.Text)) throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(path)} has the piece {Excerpt.Quote(piece.Text)} twice, the second time with the id {id}; give a .model as spm_train writes it."));
            if (piece.Kind is PieceKind.Control or PieceKind.Unknown || id == end) special.Add(piece.Text, id);
            else ordinary[id] = Encoding.UTF8.GetBytes(piece.Text);
        }

        return EncodedVocabulary.Create(Path.GetFileNameWithoutExtension(path), ordinary, special, end >= 0 && end < ordinary.Length ? file.Pieces[end].Text : EncodedVocabulary.EndOfText);
    }
}
