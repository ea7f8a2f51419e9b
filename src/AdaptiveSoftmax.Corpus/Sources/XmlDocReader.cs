using System.Xml;
using System.Xml.Linq;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Reads XML documentation: a document for each member that has text.</summary>
internal static class XmlDocReader
{
    public const string RootName = "doc";

    // No resolver and no DTD: a documentation file never needs another file.
    public static XmlReaderSettings Settings { get; } = new()
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
    };

    public static IEnumerable<TextPiece> Read(CorpusFile file, CancellationToken cancellationToken)
    {
        using var stream = file.Open();
        using var reader = XmlReader.Create(stream, Settings);
        if (Try(file, reader, static r => r.MoveToContent()) != XmlNodeType.Element || reader.LocalName != RootName)
            throw new CorpusException($"{file.Path} is not XML documentation: its root is <{reader.LocalName}>, not <{RootName}>. Leave it out, or read it as plain text.");

        var position = 0L;
        var text = new MemberText();
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var member = Try(file, reader, ReadMember);
            if (member is null) break;
            var document = text.Write(member);
            if (document.Length == 0) continue;
            yield return new TextPiece(document, true, stream.Position - position);
            position = stream.Position;
        }

        // What stands behind the last member belongs to no document, but was read all the same.
        if (stream.Position > position) yield return new TextPiece("", false, stream.Position - position);
    }

    private static XElement? ReadMember(XmlReader reader)
    {
        while (!reader.EOF)
        {
            if (reader.NodeType == XmlNodeType.Element && reader.LocalName == "member")
                return (XElement)XNode.ReadFrom(reader);
            reader.Read();
        }

        return null;
    }

    private static T Try<T>(CorpusFile file, XmlReader reader, Func<XmlReader, T> read)
    {
        try
        {
            return read(reader);
        }
        catch (XmlException exception)
        {
            throw new CorpusException($"{file.Path} is not well-formed XML: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw file.Unreadable(exception);
        }
    }
}
