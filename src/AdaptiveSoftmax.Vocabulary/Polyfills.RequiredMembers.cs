#if NETSTANDARD2_0
namespace System.Diagnostics.CodeAnalysis;

/// <summary>Lets a record's copy constructor set required members.</summary>
[AttributeUsage(AttributeTargets.Constructor)]
internal sealed class SetsRequiredMembersAttribute : Attribute;
#endif
