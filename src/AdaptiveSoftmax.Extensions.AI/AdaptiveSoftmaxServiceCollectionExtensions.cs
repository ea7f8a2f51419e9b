using AdaptiveSoftmax.Extensions.AI;
using Microsoft.Extensions.AI;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers chat clients over language models.</summary>
public static class AdaptiveSoftmaxServiceCollectionExtensions
{
    /// <summary>
    /// Registers an <see cref="IChatClient"/> over the <see cref="ILanguageModel"/> and the <see cref="ChatTokenizer"/> that are
    /// registered too.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="options">What holds where a request says nothing; null for the usual.</param>
    public static IServiceCollection AddAdaptiveSoftmaxChatClient(this IServiceCollection services, AdaptiveSoftmaxChatClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return services.AddSingleton(provider => provider.GetRequiredService<ILanguageModel>().AsChatClient(provider.GetRequiredService<ChatTokenizer>(), options));
    }

    /// <summary>The same under a key, of a model and a tokenizer under that key.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key.</param>
    /// <param name="options">What holds where a request says nothing; null for the usual.</param>
    public static IServiceCollection AddKeyedAdaptiveSoftmaxChatClient(this IServiceCollection services, object? serviceKey, AdaptiveSoftmaxChatClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return services.AddKeyedSingleton(serviceKey, (provider, key) => provider.GetRequiredKeyedService<ILanguageModel>(key).AsChatClient(provider.GetRequiredKeyedService<ChatTokenizer>(key), options));
    }
}
