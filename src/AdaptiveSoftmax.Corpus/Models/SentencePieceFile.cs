using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using Google.Protobuf;

namespace AdaptiveSoftmax.Corpus;

/// <summary>What a piece of a SentencePiece model stands for, as its file numbers it.</summary>
internal enum PieceKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>A piece of a SentencePiece model; its id is its place.</summary>
internal readonly record struct SentencePiece(string Text, float Score, PieceKind Kind);

/// <summary>The content of a SentencePiece <c>.model</c>: the fields of its protocol buffer that encoding needs.</summary>
internal sealed class SentencePieceFile
{
    private const int Unigram = 1;
    private const int BytePairs = 2;

    private SentencePieceFile()
    {
    }

    public List<SentencePiece> Pieces { get; } = [];

    public bool IsUnigram { get; private set; } = true;

    public bool TreatsWhitespaceAsSuffix { get; private set; }

    public int EndId { get; private set; } = 2;

    public bool HasDummyPrefix { get; private set; } = true;

    public bool RemovesExtraWhitespace { get; private set; } = true;

    public bool EscapesWhitespace { get; private set; } = true;

    public byte[] CharacterMap { get; private set; } = [];

    /// <summary>Whether bytes may be such a file: it begins with the message of a first piece.</summary>
    public static bool IsLikely(ReadOnlySpan<byte> start) => start.Length > 4 && start[0] == 0x0A && start[2] == 0x0A && start[1] >= start[3] + 2;

    /// <exception cref="CorpusException">The bytes are something else, or a model that is not known here.</exception>
    public static SentencePieceFile Read(string path, byte[] bytes)
    {
        var file = new SentencePieceFile();
        try
        {
            Each(bytes, (field, input) =>
            {
                switch (field)
                {
                    case 1: file.ReadPiece(input.ReadBytes()); break;
                    case 2: file.ReadTrainer(path, input.ReadBytes()); break;
                    case 3: file.ReadNormalizer(input.ReadBytes()); break;
                    default: return false;
                }

                return true;
            });
        }
        catch (InvalidProtocolBufferException exception)
        {
            throw new CorpusException($"{Excerpt.Line(path)} is not a SentencePiece model, or broken: {exception.Message} Give a .model as spm_train writes it.", exception);
        }

        if (file.Pieces.Count == 0) throw new CorpusException($"{Excerpt.Line(path)} is not a SentencePiece model: it has no pieces. Give a .model as spm_train writes it.");
        return file;
    }

    private static void Each(byte[] bytes, Func<int, CodedInputStream, bool> read)
    {
        using var input = new CodedInputStream(bytes);
        for (var tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            if (!read((int)(tag >> 3), input)) input.SkipLastField();
        }
    }

    private void ReadPiece(ByteString message)
    {
        var (text, score, kind) = ("", 0f, PieceKind.Normal);
        Each(message.ToByteArray(), (field, input) =>
        {
            switch (field)
            {
                case 1: text = input.ReadString(); break;
                case 2: score = input.ReadFloat(); break;
                case 3: kind = (PieceKind)input.ReadEnum(); break;
                default: return false;
            }

            return true;
        });
        Pieces.Add(new SentencePiece(text, score, kind));
    }

    private void ReadTrainer(string path, ByteString message) => Each(message.ToByteArray(), (field, input) =>
    {
        switch (field)
        {
            case 3:
                var type = input.ReadEnum();
                if (type is not (Unigram or BytePairs)) throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(path)} is a SentencePiece model of type {type} (3 is words, 4 characters), and unigrams (1) and byte pairs (2) are known here; count words with --words."));
                IsUnigram = type == Unigram;
                break;
            case 24: TreatsWhitespaceAsSuffix = input.ReadBool(); break;
            case 42: EndId = input.ReadInt32(); break;
            default: return false;
        }

        return true;
    });

    private void ReadNormalizer(ByteString message) => Each(message.ToByteArray(), (field, input) =>
    {
        switch (field)
        {
            case 2: CharacterMap = input.ReadBytes().ToByteArray(); break;
            case 3: HasDummyPrefix = input.ReadBool(); break;
            case 4: RemovesExtraWhitespace = input.ReadBool(); break;
            case 5: EscapesWhitespace = input.ReadBool(); break;
            default: return false;
        }

        return true;
    });
}
