using System.Globalization;
using System.Xml;
using System.Xml.Linq;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Reads XML documentation: a document for each member that has text.</summary>
internal static class XmlDocReader
{
    public const string RootName = "doc";

    // Far deeper than anybody nests lists and paragraphs. The time of building a tree grows with the square of its depth.
    private const int MaximumDepth = 256;

    // No resolver and no DTD: a documentation file never needs another file, and no entities but XML's own.
    public static XmlReaderSettings Settings { get; } = new()
    {
        DtdProcessing = DtdProcessing.Ignore,
        XmlResolver = null,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
    };

    public static IEnumerable<TextPiece> Read(CorpusFile file, CancellationToken cancellationToken)
    {
        using var stream = file.Open();
        using var reader = XmlReader.Create(stream, Settings);
        if (Try(file, reader, static r => r.MoveToContent()) != XmlNodeType.Element || reader.LocalName != RootName)
            throw new CorpusException($"{Excerpt.Line(file.Path)} is not XML documentation: its root is <{Excerpt.Name(reader.LocalName)}>, not <{RootName}>. Leave it out, or read it as plain text.");

        var position = 0L;
        var text = new MemberText();
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var member = Try(file, reader, r => ReadMember(file, r, cancellationToken));
            if (member is null) break;
            var document = text.Write(member);
            if (document.Length == 0) continue;
            yield return new TextPiece(document, true, stream.Position - position);
            position = stream.Position;
        }

        // What stands behind the last member belongs to no document, but was read all the same.
        if (stream.Position > position) yield return new TextPiece("", false, stream.Position - position);
    }

    // Goes to the next member, and behind it.
    private static XElement? ReadMember(CorpusFile file, XmlReader reader, CancellationToken cancellationToken)
    {
        while (!reader.EOF)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (reader.NodeType == XmlNodeType.Element && reader.LocalName == "member") return ReadTree(file, reader, cancellationToken);
            reader.Read();
        }

        return null;
    }

    private static XElement ReadTree(CorpusFile file, XmlReader reader, CancellationToken cancellationToken)
    {
        var root = CreateElement(reader);
        var open = new Stack<XElement>([root]);
        if (reader.IsEmptyElement) open.Pop();
        while (reader.Read() && open.TryPeek(out var parent))
        {
            cancellationToken.ThrowIfCancellationRequested();
            switch (reader.NodeType)
            {
                case XmlNodeType.Element:
                    if (open.Count == MaximumDepth)
                        throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(file.Path)}({((IXmlLineInfo)reader).LineNumber},{((IXmlLineInfo)reader).LinePosition}): elements of a member are nested more than {MaximumDepth} deep, as no documentation is. Mend the file or leave it out."));
                    var element = CreateElement(reader);
                    parent.Add(element);
                    if (!reader.IsEmptyElement) open.Push(element);
                    break;
                case XmlNodeType.EndElement:
                    open.Pop();
                    break;
                case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace:
                    parent.Add(new XText(reader.Value));
                    break;
            }
        }

        return root;
    }

    private static XElement CreateElement(XmlReader reader)
    {
        var element = new XElement(XName.Get(reader.LocalName, reader.NamespaceURI));
        foreach (var name in MemberText.Attributes)
        {
            if (reader.GetAttribute(name) is { } value) element.SetAttributeValue(name, value);
        }

        return element;
    }

    private static T Try<T>(CorpusFile file, XmlReader reader, Func<XmlReader, T> read)
    {
        try
        {
            return read(reader);
        }
        catch (XmlException exception)
        {
            throw new CorpusException($"{Excerpt.Line(file.Path)} is not well-formed XML: {Excerpt.Message(exception.Message)}", exception);
        }
    }
}
