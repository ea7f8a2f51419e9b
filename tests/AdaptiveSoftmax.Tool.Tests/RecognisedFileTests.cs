using System.IO.Compression;
using System.Text;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>A file of another kind is named by what it seems to be.</summary>
public sealed class RecognisedFileTests
{
    [Theory]
    [InlineData("7F454C46020101000000000000000000", "a program or library")]
    [InlineData("4D5A90000300000004000000FFFF0000", "a program or library")]
    [InlineData("1F8B0800000000000003", "compressed with gzip")]
    [InlineData("425A6839314159265359", "compressed with bzip2")]
    [InlineData("FD377A585A000004", "compressed with xz")]
    [InlineData("377ABCAF271C0004", "a 7z archive")]
    [InlineData("89504E470D0A1A0A0000000D49484452", "an image")]
    [InlineData("255044462D312E37", "a PDF")]
    [InlineData("53514C69746520666F726D6174203300", "an SQLite database")]
    [InlineData("3C21444F43545950452068746D6C3E3C68746D6C3E", "a web page")]
    [InlineData("76657273696F6E2068747470733A2F2F6769742D6C66732E6769746875622E636F6D2F737065632F76310A", "a pointer of Git LFS")]
    [InlineData("68656C6C6F20776F726C642C20746869732069732074657874", "plain text")]
    public async Task WeightsOfAnotherKind_AreNamed(string hex, string expected)
    {
        using var run = new ToolRun();
        var bytes = new byte[600];
        Convert.FromHexString(hex).CopyTo(bytes, 0);
        var isText = hex.StartsWith("3C", StringComparison.Ordinal) || hex.StartsWith("76", StringComparison.Ordinal) || hex.StartsWith("68", StringComparison.Ordinal);
        File.WriteAllBytes(run.Path("a.safetensors"), isText ? Convert.FromHexString(hex) : bytes);
        Assert.Equal(1, await run.RunAsync("inspect", run.Path("a.safetensors")));
        Assert.Contains($"is {expected}", run.Error, StringComparison.Ordinal);

        // Through the library, which knows nothing of the tool's checks.
        var fault = Assert.Throws<SafetensorsFormatException>(() => SafetensorsReader.Open(run.Path("a.safetensors")));
        Assert.Contains($"it seems to be {expected}", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("header", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Archives_AreToldApart()
    {
        using var run = new ToolRun();
        using (ZipFile.Open(run.Path("empty.pt"), ZipArchiveMode.Create))
        {
        }

        Assert.Equal(1, await run.RunAsync("inspect", run.Path("empty.pt")));
        Assert.Contains("It is a zip file, but has no record 'NAME/data.pkl'", run.Error, StringComparison.Ordinal);

        using (var layer = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(4, 6, [3]), seed: 1)) layer.Save(run.Path("a.pt"), format: WeightsFormat.PyTorch);
        File.WriteAllBytes(run.Path("junk.pt"), [.. Enumerable.Range(0, 40).Select(i => (byte)(200 + i)), .. File.ReadAllBytes(run.Path("a.pt"))]);
        Assert.Equal(1, await run.RunAsync("inspect", run.Path("junk.pt")));
        Assert.Contains("It seems to be a zip archive, such as torch.save writes, behind bytes that are none of it.", run.Error, StringComparison.Ordinal);

        // The method of every record, said to be that of bzip2 in both of its headers.
        var bytes = File.ReadAllBytes(run.Path("a.pt"));
        for (var i = 0; i + 12 < bytes.Length; i++)
        {
            if (bytes.AsSpan(i).StartsWith("PK\u0003\u0004"u8)) bytes[i + 8] = 12;
            if (bytes.AsSpan(i).StartsWith("PK\u0001\u0002"u8)) bytes[i + 10] = 12;
        }

        File.WriteAllBytes(run.Path("bzip2.pt"), bytes);
        Assert.Equal(1, await run.RunAsync("inspect", run.Path("bzip2.pt")));
        Assert.Contains("is compressed in a way that is not read", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("damaged", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TextInPlaceOfATable_IsSaid()
    {
        using var run = new ToolRun();
        run.Write("small.txt", "some text\nin two lines\n");
        Assert.Equal(1, await run.RunAsync("plan", run.Path("small.txt"), "-H", "8"));
        Assert.Contains("small.txt is plain text, and a token table is asked for here; `adaptive-softmax count` makes one of it.", run.Error, StringComparison.Ordinal);
        run.Write("bad.tokens", "x\t1\ta\n1\t1\tb\n");
        Assert.Equal(1, await run.RunAsync("plan", run.Path("bad.tokens"), "-H", "8"));
        Assert.Contains("bad.tokens(1,1): The id is", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFileWithoutFloatingPointValues_HasNoneThatAreFinite()
    {
        using var run = new ToolRun();
        const string Header = "{}";
        File.WriteAllBytes(run.Path("none.safetensors"), [.. BitConverter.GetBytes(8L), .. Encoding.ASCII.GetBytes(Header.PadRight(8))]);
        Assert.Equal(0, await run.RunAsync("inspect", run.Path("none.safetensors")));
        Assert.Contains("There are no floating-point values.", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("page.txt", "<!doctype html><html><body>text</body></html>", "page.txt is a web page: tags")]
    [InlineData("page.txt", "<?xml version=\"1.0\"?><a>text</a>", "page.txt is XML: tags")]
    [InlineData("page.csv", "a,b\n1,2\n", "page.csv is a table of values with separators: tags")]
    public async Task MarkupThatIsCountedAsText_IsSaid(string name, string content, string expected)
    {
        using var run = new ToolRun();
        run.Write($"texts/{name}", content);
        Assert.Equal(0, await run.RunAsync("count", run.Path("texts"), "-o", run.Path("x.tokens")));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("count", run.Path("texts"), "--raw", "-o", run.Path("x.tokens")));
        Assert.DoesNotContain("tags", run.Error, StringComparison.Ordinal);
    }
}
