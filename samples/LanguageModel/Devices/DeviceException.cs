namespace LanguageModelSample;

/// <summary>The machine lacks the device that was asked for; the message says what to do.</summary>
internal sealed class DeviceException(string message) : Exception(message);
