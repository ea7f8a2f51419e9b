using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The graph of an adaptive or full softmax.</summary>
/// <remarks>
/// Its operators are those of opset 13. Sums of log-probs stand in the order of <see cref="SoftmaxDecoder"/>'s: a tail's token
/// has the tail's logit in the head plus its own log-prob in the tail.
/// </remarks>
internal sealed class OnnxSoftmax
{
    private const string Hidden = "hidden";
    private const string Tokens = "tokens";
    private const string HeadLogits = "head/logits";
    private const string HeadScores = "head/shifted";
    private const string RowAxis = "row_axis";

    private readonly OnnxGraph _graph = new("adaptive_softmax");
    private readonly SoftmaxLayout _layout;

    private OnnxSoftmax(SoftmaxLayout layout, OnnxWeights weights)
    {
        _layout = layout;
        weights.AddTo(_graph);
        _graph.AddInput(Hidden, OnnxType.Float, Tokens, layout.HiddenSize);
        var product = layout.MapsLogits ? "head/products" : HeadLogits;
        string[] inputs = layout.HasHeadBias ? [Hidden, "head.weight", "head.bias"] : [Hidden, "head.weight"];
        _graph.Add("Gemm", product, inputs, Transposed);
        if (layout.MapsLogits) MapLogits(product);
    }

    // Logits are [tokens, rows]: what is taken over all rows has one value a token.
    private static ProtobufMessage ByRow => OnnxGraph.Attribute("axis", 1);

    private static ProtobufMessage OverRows => OnnxGraph.ListAttribute("axes", 1);

    private static ProtobufMessage KeepRows => OnnxGraph.Attribute("keepdims", 1);

    private static ProtobufMessage DropRows => OnnxGraph.Attribute("keepdims", 0);

    private static ProtobufMessage Transposed => OnnxGraph.Attribute("transB", 1);

    /// <summary>Makes the graph.</summary>
    /// <param name="layout">The sizes.</param>
    /// <param name="ids">The token ids by slot.</param>
    /// <param name="output">What it computes.</param>
    /// <param name="weights">The weights under PyTorch's names.</param>
    public static OnnxGraph Create(SoftmaxLayout layout, long[] ids, OnnxOutput output, OnnxWeights weights)
    {
        var softmax = new OnnxSoftmax(layout, weights);
        if (output == OnnxOutput.Greedy) softmax.AddGreedy(ids);
        else softmax.AddLogProbs(ids);
        return softmax._graph;
    }

    // c · tanh(s · x / c), or s · x without a cap.
    private void MapLogits(string product)
    {
        var isCapped = !double.IsInfinity(_layout.LogitSoftCap);
        var cap = (float)_layout.LogitSoftCap;
        var factor = OnnxWeights.AddFloat(_graph, "head/factor", isCapped ? (float)_layout.LogitScale / cap : (float)_layout.LogitScale);
        if (!isCapped)
        {
            _graph.Add("Mul", HeadLogits, [product, factor]);
            return;
        }

        _graph.Add("Mul", "head/scaled", [product, factor]);
        _graph.Add("Tanh", "head/bounded", ["head/scaled"]);
        _graph.Add("Mul", HeadLogits, ["head/bounded", OnnxWeights.AddFloat(_graph, "head/cap", cap)]);
    }

    // Scores are the head's logits less their largest, so that large ones keep their digits: the normaliser is the same for all.
    private void AddGreedy(long[] ids)
    {
        OnnxWeights.AddNumbers(_graph, RowAxis, 1);
        var normaliser = AddLogSumOfShifted(_graph, "head");
        var shortlist = _layout.TailCount == 0 ? HeadScores : AddColumns(HeadScores, "head/shortlist", 0, _layout.ShortlistSize);
        var score = _graph.Add("ReduceMax", "head/score", [shortlist], OverRows, DropRows);
        var slot = _graph.Add("ArgMax", "head/slot", [shortlist], ByRow, DropRows);
        var zero = _layout.TailCount == 0 ? "" : OnnxWeights.AddNumbers(_graph, "zero", 0);
        foreach (var tail in _layout.Tails)
        {
            var name = NameOf(tail);
            var gate = AddGate(tail);
            var canWin = _graph.Add("Greater", $"{name}/can_win", [gate, score]);
            _graph.Add("Cast", $"{name}/wanted", [canWin], OnnxGraph.Attribute("to", (long)OnnxType.Int64));
            _graph.Add("ReduceSum", $"{name}/count", [$"{name}/wanted"], DropRows);
            _graph.Add("Cast", $"{name}/is_wanted", [$"{name}/count"], OnnxGraph.Attribute("to", (long)OnnxType.Bool));
            string[] results = [$"{name}/best_score", $"{name}/best_slot"];
            _graph.Add(
                "If",
                results,
                [$"{name}/is_wanted"],
                OnnxGraph.Attribute("then_branch", CreateVisit(tail, gate, canWin, score, slot, zero)),
                OnnxGraph.Attribute("else_branch", CreateSkip(tail, score, slot)));
            (score, slot) = (results[0], results[1]);
        }

        _graph.Add("Sub", "log_prob", [score, normaliser]);
        _graph.Add("Gather", "token", [OnnxWeights.AddNumbers(_graph, "ids", ids), slot]);
        _graph.AddOutput("token", OnnxType.Int64, Tokens);
        _graph.AddOutput("log_prob", OnnxType.Float, Tokens);
    }

    // The vectors for which the tail can win, and no others, go through its projection and its output.
    private static OnnxGraph CreateVisit(TailCluster tail, string gate, string canWin, string score, string slot, string zero)
    {
        var name = NameOf(tail);
        var visit = new OnnxGraph($"{name}/visit");
        visit.Add("NonZero", $"{name}/places", [canWin]);
        var rows = visit.Add("Squeeze", $"{name}/rows", [$"{name}/places", zero]);
        visit.Add("Gather", $"{name}/hidden", [Hidden, rows]);
        AddLogits(visit, tail, $"{name}/hidden");
        var logits = $"{name}/logits";
        visit.Add("Gather", $"{name}/own_gate", [gate, rows]);
        visit.Add("Sub", $"{name}/candidate_score", [$"{name}/own_gate", AddLogSumOfShifted(visit, name)]);
        visit.Add("ArgMax", $"{name}/row", [logits], ByRow, DropRows);
        visit.Add("Add", $"{name}/candidate_slot", [$"{name}/row", OnnxWeights.AddNumbers(visit, $"{name}/start", tail.Start)]);
        visit.Add("Gather", $"{name}/score_so_far", [score, rows]);
        visit.Add("Gather", $"{name}/slot_so_far", [slot, rows]);
        visit.Add("Greater", $"{name}/wins", [$"{name}/candidate_score", $"{name}/score_so_far"]);
        visit.Add("Where", $"{name}/better_score", [$"{name}/wins", $"{name}/candidate_score", $"{name}/score_so_far"]);
        visit.Add("Where", $"{name}/better_slot", [$"{name}/wins", $"{name}/candidate_slot", $"{name}/slot_so_far"]);
        visit.Add("ScatterElements", $"{name}/visited_score", [score, rows, $"{name}/better_score"]);
        visit.Add("ScatterElements", $"{name}/visited_slot", [slot, rows, $"{name}/better_slot"]);
        return End(visit, $"{name}/visited");
    }

    // log Σ exp(x − max x), which is minus the best token's own log-prob. It is spelt out, since some runtimes compute
    // ReduceLogSumExp without the shift, and large logits then overflow.
    private static string AddLogSumOfShifted(OnnxGraph graph, string name)
    {
        graph.Add("ReduceMax", $"{name}/largest", [$"{name}/logits"], OverRows, KeepRows);
        graph.Add("Sub", $"{name}/shifted", [$"{name}/logits", $"{name}/largest"]);
        graph.Add("Exp", $"{name}/exponentials", [$"{name}/shifted"]);
        graph.Add("ReduceSum", $"{name}/sum", [$"{name}/exponentials", RowAxis], DropRows);
        return graph.Add("Log", $"{name}/log_sum", [$"{name}/sum"]);
    }

    private static OnnxGraph CreateSkip(TailCluster tail, string score, string slot)
    {
        var name = NameOf(tail);
        var skip = new OnnxGraph($"{name}/skip");
        skip.Add("Identity", $"{name}/kept_score", [score]);
        skip.Add("Identity", $"{name}/kept_slot", [slot]);
        return End(skip, $"{name}/kept");
    }

    private static OnnxGraph End(OnnxGraph branch, string name)
    {
        branch.AddOutput($"{name}_score", OnnxType.Float, Tokens);
        branch.AddOutput($"{name}_slot", OnnxType.Int64, Tokens);
        return branch;
    }

    private void AddLogProbs(long[] ids)
    {
        if (_layout.TailCount == 0)
        {
            _graph.Add("LogSoftmax", "log_probs", [HeadLogits], ByRow);
        }
        else
        {
            OnnxWeights.AddNumbers(_graph, RowAxis, 1);
            _graph.Add("LogSoftmax", "head/log_probs", [HeadLogits], ByRow);
            string[] parts = [AddColumns("head/log_probs", "head/shortlist", 0, _layout.ShortlistSize), .. _layout.Tails.Select(AddTailLogProbs)];
            _graph.Add("Concat", "log_probs", parts, ByRow);
        }

        _graph.Add("Identity", "token_ids", [OnnxWeights.AddNumbers(_graph, "ids", ids)]);
        _graph.AddOutput("log_probs", OnnxType.Float, Tokens, _layout.VocabularySize);
        _graph.AddOutput("token_ids", OnnxType.Int64, _layout.VocabularySize);
    }

    private string AddTailLogProbs(TailCluster tail)
    {
        var name = NameOf(tail);
        AddLogits(_graph, tail, Hidden);
        _graph.Add("LogSoftmax", $"{name}/own_log_probs", [$"{name}/logits"], ByRow);
        var gate = AddColumns("head/log_probs", $"{name}/gate", _layout.ShortlistSize + tail.Index, _layout.ShortlistSize + tail.Index + 1);
        return _graph.Add("Add", $"{name}/log_probs", [$"{name}/own_log_probs", gate]);
    }

    private static void AddLogits(OnnxGraph graph, TailCluster tail, string hidden)
    {
        var (name, weights) = (NameOf(tail), string.Create(CultureInfo.InvariantCulture, $"tail.{tail.Index}"));
        graph.Add("Gemm", $"{name}/projected", [hidden, $"{weights}.0.weight"], Transposed);
        graph.Add("Gemm", $"{name}/logits", [$"{name}/projected", $"{weights}.1.weight"], Transposed);
    }

    private string AddGate(TailCluster tail)
    {
        var name = NameOf(tail);
        var column = AddColumns(HeadScores, $"{name}/gate_column", _layout.ShortlistSize + tail.Index, _layout.ShortlistSize + tail.Index + 1);
        return _graph.Add("Squeeze", $"{name}/gate", [column, RowAxis]);
    }

    private string AddColumns(string input, string output, int start, int end) => _graph.Add(
        "Slice",
        output,
        [input, OnnxWeights.AddNumbers(_graph, $"{output}/start", start), OnnxWeights.AddNumbers(_graph, $"{output}/end", end), RowAxis]);

    private static string NameOf(TailCluster tail) => string.Create(CultureInfo.InvariantCulture, $"tail_{tail.Index}");
}
