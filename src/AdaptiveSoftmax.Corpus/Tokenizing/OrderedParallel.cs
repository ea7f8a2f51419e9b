using System.Collections.Concurrent;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Maps a sequence on several threads and yields the results in the sequence's order.</summary>
internal static class OrderedParallel
{
    // Enough that no worker waits for the reader, few enough that a slow consumer holds little memory.
    private const int ItemsInFlightPerThread = 8;

    /// <summary>
    /// Yields <paramref name="map"/> of each item. Items are read on one thread and mapped on
    /// <paramref name="threads"/> others, each with a state of its own. An error of reading or mapping surfaces at its
    /// place in the order. Leaving the sequence early stops the threads.
    /// </summary>
    public static IEnumerable<TResult> Map<TItem, TState, TResult>(IEnumerable<TItem> items, Func<TState> createState, Func<TState, TItem, CancellationToken, TResult> map, int threads, CancellationToken cancellationToken)
    {
        if (threads == 1)
        {
            var state = createState();
            foreach (var item in items)
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return map(state, item, cancellationToken);
            }

            yield break;
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var ordered = new BlockingCollection<TaskCompletionSource<TResult>>(threads * ItemsInFlightPerThread);
        using var work = new BlockingCollection<(TItem Item, TaskCompletionSource<TResult> Result)>();
        var running = new List<Task> { StartLongRunning(() => ReadAll(items, ordered, work, stop.Token)) };
        for (var i = 0; i < threads; i++)
        {
            var state = createState();
            running.Add(StartLongRunning(() => MapAll(work, state, map, stop.Token)));
        }

        try
        {
            foreach (var result in ordered.GetConsumingEnumerable(cancellationToken))
            {
                // Waiting for any of one task leaves its error unwrapped for the line below.
                Task.WaitAny([result.Task], cancellationToken);
                yield return result.Task.GetAwaiter().GetResult();
            }

            // The reader ends without a word where it is cancelled, and what was read until then is not all.
            cancellationToken.ThrowIfCancellationRequested();
        }
        finally
        {
            stop.Cancel();
            Task.WaitAll([.. running]);
        }
    }

    private static Task StartLongRunning(Action action) =>
        Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static void ReadAll<TItem, TResult>(IEnumerable<TItem> items, BlockingCollection<TaskCompletionSource<TResult>> ordered, BlockingCollection<(TItem Item, TaskCompletionSource<TResult> Result)> work, CancellationToken stop)
    {
        try
        {
            foreach (var item in items)
            {
                var result = new TaskCompletionSource<TResult>();
                ordered.Add(result, stop);
                work.Add((item, result), stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The consumer has left and waits for nothing more.
        }
        catch (Exception exception)
        {
            var failed = new TaskCompletionSource<TResult>();
            failed.SetException(exception);
            AddUnlessStopped(ordered, failed, stop);
        }
        finally
        {
            work.CompleteAdding();
            ordered.CompleteAdding();
        }
    }

    private static void AddUnlessStopped<T>(BlockingCollection<T> collection, T item, CancellationToken stop)
    {
        try
        {
            collection.Add(item, stop);
        }
        catch (OperationCanceledException)
        {
            // The consumer has left and waits for nothing more.
        }
    }

    private static void MapAll<TItem, TState, TResult>(BlockingCollection<(TItem Item, TaskCompletionSource<TResult> Result)> work, TState state, Func<TState, TItem, CancellationToken, TResult> map, CancellationToken stop)
    {
        try
        {
            foreach (var (item, result) in work.GetConsumingEnumerable(stop))
            {
                try
                {
                    result.SetResult(map(state, item, stop));
                }
                catch (Exception exception)
                {
                    result.SetException(exception);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The consumer has left and waits for nothing more.
        }
    }
}
