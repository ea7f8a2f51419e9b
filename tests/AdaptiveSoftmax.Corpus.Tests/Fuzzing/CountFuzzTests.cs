using AdaptiveSoftmax.Testing;

namespace AdaptiveSoftmax.Corpus.Tests.Fuzzing;

/// <summary>Damaged counts are read and added up, or refused as documented.</summary>
[MoreAtNight]
public sealed class CountFuzzTests : IDisposable
{
    private const string Table = "7\t120\tthe\n9\t119\t\\\\ \\x00\\xff\\x20\n3\t5\t\n4\t5\t z\n0\t0\t\\xC3\\xA9\n";
    private const string Domains = "domain\tid\tcount\ncode\tdocuments\t2\ncode\t7\t20\ncode\t9\t119\nen\tdocuments\t1\nen\t3\t5\nen\t4\t5\nen\t7\t100\n";
    private const string WordsOfShard1 = "#shard\t1/2\tabc\t10\twords\t2\t<unk>\t<eos>\t<pad> <s>\n0\t4\tthe\n1\t2\tcat\n2\t1\tmat\n";
    private const string WordsOfShard2 = "#shard\t2/2\tabc\t7\twords\t2\t<unk>\t<eos>\t<pad> <s>\n0\t3\tcat\n1\t1\tdog\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tables() => DamagedInputs.Read(
        mutator => (Table: mutator.Next(2) == 0 ? Table : mutator.Text(Table), Domains: mutator.Next(3) == 0 ? Domains : mutator.Text(Domains)),
        texts =>
        {
            var read = CountFile.Read("news.tokens", texts.Table, texts.Domains);
            CountMerge.Merge([read, CountFile.Read("more.tokens", Table, Domains)]);
        },
        IsDocumented);

    [Fact]
    public void Shards()
    {
        string[] sound = [WordsOfShard1, WordsOfShard2];
        DamagedInputs.Read(
            mutator => mutator.Next(2) == 0 ? (mutator.Text(sound[0]), sound[1]) : (mutator.Text(sound[0]), mutator.Text(sound[1])),
            texts => CountMerge.Merge([CountFile.Read("1.tokens", texts.Item1, null), CountFile.Read("2.tokens", texts.Item2, null)]),
            IsDocumented);
    }

    [Theory]
    [InlineData(ImportFormat.Automatic, "words.txt", "the 120\ncat 7\n of 5\nmat\t1\n")]
    [InlineData(ImportFormat.Csv, "words.csv", "token,count,domain\nthe,120,en\n\"a, b\",7,code\n\"say \"\"so\"\"\",5,en\n")]
    [InlineData(ImportFormat.Fairseq, "dict.txt", "the 120\ncat 7\nmat 9 #fairseq:overwrite\nof 5\n")]
    public void Imports(ImportFormat format, string name, string sound)
    {
        var path = _folder.At(name);
        var options = new ImportOptions { Format = format, DomainColumn = format == ImportFormat.Csv ? "domain" : null };
        DamagedInputs.Read(mutator => mutator.Bytes(System.Text.Encoding.UTF8.GetBytes(sound)), bytes =>
        {
            File.WriteAllBytes(path, bytes);
            CountImport.Read([path], options, TestContext.Current.CancellationToken);
        }, IsDocumented);
    }

    private static bool IsDocumented(Exception exception) => exception is CorpusException;
}
