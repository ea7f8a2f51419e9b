using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>States of a file instead of blocks in memory.</summary>
public sealed class EvaluatedFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("evaluated-").FullName;
    private readonly EvaluationCase _case = new(SoftmaxLayout.Create(16, 90, [20, 50], [8, 4]), 2500, 5, 3, HasUnseen: true);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void AFile_IsJudgedAsItsRowsAre()
    {
        using var layer = _case.CreateLayer();
        using var other = new DynamicAdaptiveSoftmax(_case.Layout, 77);
        var table = _case.CreateTable();
        var options = _case.Options(table) with { Domains = EvaluationCase.Domains };
        using var states = StatesFile.Open(Write(table, EvaluationCase.Domains));
        using SoftmaxEvaluation ofFile = new(layer, options), ofRows = new(layer, options);
        var heard = new List<long>();
        ofFile.AddAll(states, heard.Add, TestContext.Current.CancellationToken);
        ofRows.Add(_case.Hidden(), Targets(table), _case.TokenDomains(), TestContext.Current.CancellationToken);
        var (first, second) = (ofFile.ToReport(TestContext.Current.CancellationToken), ofRows.ToReport(TestContext.Current.CancellationToken));
        Assert.Equal([1024, 1024, 452], heard);
        Assert.Equal(Texts(second.Whole, second.Deciles, second.Domains), Texts(first.Whole, first.Deciles, first.Domains));
        Assert.Equal(_case.TokenDomains().Count(domain => domain == 1), first.Domains[1].Tokens);

        var both = new AgreementOptions { FirstTable = table, SecondTable = table, Domains = EvaluationCase.Domains };
        using SoftmaxAgreement agreementOfFile = new(layer, other, both), agreementOfRows = new(layer, other, both);
        agreementOfFile.AddAll(states, cancellationToken: TestContext.Current.CancellationToken);
        agreementOfRows.Add(_case.Hidden(), Targets(table), _case.TokenDomains(), TestContext.Current.CancellationToken);
        var (one, two) = (agreementOfFile.ToReport(TestContext.Current.CancellationToken), agreementOfRows.ToReport(TestContext.Current.CancellationToken));
        Assert.Equal(two.Whole, one.Whole);
        Assert.Equal(two.Domains, one.Domains);
    }

    [Fact]
    public void DomainsOfAFile_NeedNotBeJudged()
    {
        using var layer = _case.CreateLayer();
        var table = _case.CreateTable();
        using var states = StatesFile.Open(Write(table, EvaluationCase.Domains));
        using var evaluation = new SoftmaxEvaluation(layer, new EvaluationOptions { Table = table });
        evaluation.AddAll(states, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(2500, evaluation.Tokens);
        Assert.Empty(evaluation.ToReport(TestContext.Current.CancellationToken).Domains);
    }

    [Fact]
    public void WhatDoesNotFit_IsNamedByItsRow()
    {
        using var layer = _case.CreateLayer();
        var table = _case.CreateTable();
        var path = Write(table, ["other", "names", "here"]);
        using var states = StatesFile.Open(path);
        using var named = new SoftmaxEvaluation(layer, _case.Options(table));
        var fault = Assert.Throws<ArgumentException>(() => named.AddAll(states, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Contains("news, code, never seen", fault.Message, StringComparison.Ordinal);
        Assert.Contains("other, names, here", fault.Message, StringComparison.Ordinal);

        // Without the table its ids are slots, and id 95 is none.
        using var slots = new SoftmaxEvaluation(layer);
        var target = Assert.Throws<SafetensorsFormatException>(() => slots.AddAll(states, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Matches("Row [0-9]+ has the target [0-9]+, which is no token id", target.Message);
        Assert.Contains(path, target.Message, StringComparison.Ordinal);
        using (var wide = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(32, 90, [20])))
        using (var evaluation = new SoftmaxEvaluation(wide, new EvaluationOptions { Table = table }))
            Assert.Contains("hidden size 32", Assert.Throws<SafetensorsFormatException>(() => evaluation.AddAll(states, cancellationToken: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);

        // The second one's vocabulary counts too.
        using var agreement = new SoftmaxAgreement(layer, layer, new AgreementOptions { FirstTable = table });
        Assert.Throws<SafetensorsFormatException>(() => agreement.AddAll(states, cancellationToken: TestContext.Current.CancellationToken));
        using var stop = new CancellationTokenSource();
        using var stopped = new SoftmaxEvaluation(layer, new EvaluationOptions { Table = table });
        Assert.Throws<OperationCanceledException>(() => stopped.AddAll(states, rows => stop.Cancel(), stop.Token));
        Assert.Equal(1024, stopped.Tokens);
    }

    private int[] Targets(TokenTable table) => [.. _case.Slots().Select(table.GetId)];

    private string Write(TokenTable table, string[] domains)
    {
        var path = Path.Combine(_folder, "states.safetensors");
        StatesWriter.Write(path, _case.Layout.HiddenSize, writer => writer.Add(_case.Hidden(), Targets(table), _case.TokenDomains()), new StatesWriterOptions { Domains = domains }, TestContext.Current.CancellationToken);
        return path;
    }

    private static string Texts(EvaluationFigures whole, params IReadOnlyList<EvaluationFigures>[] groups) => string.Join('\n', groups.SelectMany(group => group).Prepend(whole).Select(figures => figures with { Microseconds = 0 }));
}
