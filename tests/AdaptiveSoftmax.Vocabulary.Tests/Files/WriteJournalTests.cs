namespace AdaptiveSoftmax.Vocabulary.Tests.Files;

/// <summary>What a run leaves that nobody waits for any more.</summary>
public sealed class WriteJournalTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("adaptive-softmax-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Closing_TakesBackWhatIsNotComplete_AndNamesWhatIs()
    {
        var journal = WriteJournal.Begin();
        Write("first", () => { });
        File.WriteAllText(At("second"), "old");
        Assert.Throws<OperationCanceledException>(() => Write("second", () =>
        {
            Assert.Equal(3, _folder.GetFiles().Length);
            Assert.Equal([At("first")], journal.Close());
            Assert.Equal(["first", "second"], Names);
        }));
        Assert.Throws<OperationCanceledException>(() => Write("third", () => Assert.Fail("It began.")));
        Assert.Equal(["first", "second"], Names);
        Assert.Equal(("new", "old"), (File.ReadAllText(At("first")), File.ReadAllText(At("second"))));
    }

    [Fact]
    public async Task AJournal_IsThatOfItsRunAlone()
    {
        var journals = await Task.WhenAll(Enumerable.Range(0, 2).Select(run => Task.Run(() =>
        {
            var journal = WriteJournal.Begin();
            Write($"{run}", () => { });
            return journal;
        })));
        Assert.Null(WriteJournal.Current);
        for (var run = 0; run < 2; run++) Assert.Equal([At($"{run}")], journals[run].Close());
    }

    private void Write(string name, Action whileWriting) => AtomicFile.Write(
        At(name),
        stream =>
        {
            stream.Write("new"u8);
            whileWriting();
        },
        TestContext.Current.CancellationToken);

    private string[] Names => [.. _folder.GetFiles().Select(file => file.Name).Order(StringComparer.Ordinal)];

    private string At(string name) => Path.Combine(_folder.FullName, name);
}
