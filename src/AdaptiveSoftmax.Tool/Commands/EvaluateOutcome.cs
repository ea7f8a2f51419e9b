namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>What <c>evaluate</c> found.</summary>
/// <param name="States">The states file.</param>
/// <param name="Results">What each softmax came to, in the order of the command line.</param>
/// <param name="Agreements">How far each other one agrees with the first.</param>
internal sealed record EvaluateOutcome(string States, IReadOnlyList<EvaluateResult> Results, IReadOnlyList<EvaluateAgreement> Agreements);

/// <summary>What a softmax came to.</summary>
/// <param name="Name">The softmax.</param>
/// <param name="Report">Its figures.</param>
internal sealed record EvaluateResult(string Name, EvaluationReport Report);

/// <summary>How far two softmaxes agree.</summary>
/// <param name="First">The first.</param>
/// <param name="Second">The other.</param>
/// <param name="Report">The figures.</param>
internal sealed record EvaluateAgreement(string First, string Second, AgreementReport Report);
