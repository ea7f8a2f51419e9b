namespace AdaptiveSoftmax.Corpus.Tests.Sources;

public sealed class XmlDocReaderTests
{
    [Fact]
    public void Member_BecomesADocument()
    {
        var document = Assert.Single(Read("""
            <member name="M:System.Linq.Enumerable.ToLookup``2(System.Collections.Generic.IEnumerable{``0},System.Func{``0,``1})">
              <summary>Creates a <see cref="T:System.Linq.Lookup`2" /> from an
                 <see cref="T:System.Collections.Generic.IEnumerable`1" />; never <see langword="null" />.</summary>
              <typeparam name="TSource">The type of the elements of <paramref name="source" />.</typeparam>
              <typeparam name="TKey">The type of the key.</typeparam>
              <param name="source">The sequence.</param>
              <param name="keySelector">A function.</param>
              <returns>A lookup.</returns>
              <exception cref="T:System.ArgumentNullException">
                <paramref name="source" /> is <see langword="null" />.</exception>
              <remarks><para>First.</para><para>Second &amp; last, see <see cref="M:System.String.Concat(System.String)">joining</see>.</para></remarks>
            </member>
            """));

        Assert.Equal("""
            method System.Linq.Enumerable.ToLookup<TSource, TKey>(IEnumerable<TSource> source, Func<TSource, TKey> keySelector)
            Creates a Lookup from an IEnumerable; never null.
            TSource: The type of the elements of source.
            TKey: The type of the key.
            source: The sequence.
            keySelector: A function.
            Returns: A lookup.
            Throws ArgumentNullException: source is null.
            Remarks: First.
            Second & last, see joining.

            """.ReplaceLineEndings("\n"), document);
    }

    [Fact]
    public void ListsAndCode_KeepTheirLines()
    {
        var document = Assert.Single(Read("""
            <member name="F:A.B">
              <summary>Either<list type="bullet"><item><term>x</term><description>the first</description></item><item>y</item></list>as in
              <code>
                  if (x)
                      return y;
              </code>
              done.</summary>
            </member>
            """));

        Assert.Equal("field A.B\nEither\n- x: the first\n- y\nas in\nif (x)\n    return y;\ndone.\n", document);
    }

    [Fact]
    public void MembersOfGenericTypes_NameTheirTypeParameters()
    {
        var documents = Read("""
            <member name="T:N.Map`2"><summary>A map.</summary><typeparam name="TKey">Keys.</typeparam><typeparam name="TValue">Values.</typeparam></member>
            <member name="P:N.Map`2.Item(`0)"><summary>Gets one.</summary><param name="key">The key.</param></member>
            """);

        Assert.StartsWith("type N.Map<TKey, TValue>\n", documents[0], StringComparison.Ordinal);
        Assert.StartsWith("property N.Map<TKey, TValue>.Item[TKey key]\n", documents[1], StringComparison.Ordinal);
    }

    [Fact]
    public void MembersWithoutText_GiveNoDocument()
    {
        Assert.Empty(Read("""<member name="M:A.B"><inheritdoc /></member><member name="M:A.C" /><member><summary>Nameless</summary></member>"""));
    }

    [Fact]
    public void BrokenXml_IsAnErrorThatNamesFileAndLine()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("A.xml", "<doc>\n<members>\n<member name='T:A'><summary>x</member>\n</members></doc>");

        var error = Assert.Throws<CorpusException>(() => folder.Files(CorpusFormat.XmlDoc)[0].ReadPieces(TestContext.Current.CancellationToken).ToArray());
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("ine 3", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ElementsNestedWithoutEnd_AreAnErrorWithItsPlace()
    {
        const int Depth = 200_000;
        var nested = string.Concat(string.Concat(Enumerable.Repeat("<a>", Depth)), "x", string.Concat(Enumerable.Repeat("</a>", Depth)));
        var error = Assert.Throws<CorpusException>(() => Read($"<member name='T:A'><summary>{nested}</summary></member>"));
        Assert.Contains("A.xml(1,", error.Message, StringComparison.Ordinal);
        Assert.Contains("nested more than 256 deep", error.Message, StringComparison.Ordinal);
        Assert.Equal("type A\nx\n", Assert.Single(Read($"<member name='T:A'><summary>{string.Concat(Enumerable.Repeat("<a>", 254))}x{string.Concat(Enumerable.Repeat("</a>", 254))}</summary></member>")));
    }

    [Fact]
    public void ManyTermsAndAttributes_AreRead()
    {
        var terms = string.Concat(Enumerable.Range(0, 100_000).Select(i => $"<term>t{i}</term>"));
        var attributes = string.Concat(Enumerable.Range(0, 20_000).Select(i => $" a{i}='x'"));
        var document = Assert.Single(Read($"<member name='T:A'{attributes}><summary>{terms}</summary></member>"));
        Assert.StartsWith("type A\nt0t1t2", document, StringComparison.Ordinal);
    }

    [Fact]
    public void ADocumentType_IsPassedOver_AndItsEntitiesAreNone()
    {
        using var folder = new TemporaryFolder();
        folder.Write("A.xml", "<!DOCTYPE doc [<!ENTITY e \"much\">]><doc><members><member name='T:A'><summary>x</summary></member></members></doc>");
        var pieces = folder.Files(CorpusFormat.XmlDoc)[0].ReadPieces(TestContext.Current.CancellationToken).Where(piece => piece.EndsDocument);
        Assert.Equal("type A\nx\n", Assert.Single(pieces).Text);

        folder.Write("A.xml", "<!DOCTYPE doc [<!ENTITY e \"much\">]><doc><members><member name='T:A'><summary>&e;</summary></member></members></doc>");
        var error = Assert.Throws<CorpusException>(() => folder.Files(CorpusFormat.XmlDoc)[0].ReadPieces(TestContext.Current.CancellationToken).ToArray());
        Assert.Contains("is not well-formed XML", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("XmlReaderSettings", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ACancelledRead_StopsInsideAMember()
    {
        using var folder = new TemporaryFolder();
        folder.Write("A.xml", $"<doc><members><member name='T:A'><summary>{string.Concat(Enumerable.Repeat("<c>x</c>", 1_000))}</summary></member></members></doc>");
        Assert.Throws<OperationCanceledException>(() => folder.Files(CorpusFormat.XmlDoc)[0].ReadPieces(new CancellationToken(canceled: true)).ToArray());
    }

    [Fact]
    public void OtherXml_IsAnErrorThatNamesItsRoot()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("A.xml", "<FileList/>");

        var error = Assert.Throws<CorpusException>(() => CorpusFiles.Find([path], new CorpusSearch { Format = CorpusFormat.XmlDoc }).Files[0].ReadPieces(TestContext.Current.CancellationToken).ToArray());
        Assert.Contains("its root is <FileList>", error.Message, StringComparison.Ordinal);
    }

    private static string[] Read(string members)
    {
        using var folder = new TemporaryFolder();
        folder.Write("A.xml", $"<doc><assembly><name>A</name></assembly><members>{members}</members></doc>");
        return [.. folder.Files(CorpusFormat.XmlDoc)[0].ReadPieces(TestContext.Current.CancellationToken).Where(piece => piece.EndsDocument).Select(piece => piece.Text)];
    }
}
