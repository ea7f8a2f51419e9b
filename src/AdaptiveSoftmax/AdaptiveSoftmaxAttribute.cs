namespace AdaptiveSoftmax;

/// <summary>
/// Marks a partial class that the generator completes into an adaptive softmax for exactly one vocabulary.
/// </summary>
/// <param name="specFile">
/// The name of a <c>*.softmax.json</c> spec among the project's AdditionalFiles, for example <c>news.softmax.json</c>.
/// </param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class AdaptiveSoftmaxAttribute(string specFile) : Attribute
{
    /// <summary>The name of the spec among the project's AdditionalFiles.</summary>
    public string SpecFile { get; } = specFile;
}
