using System.Runtime.InteropServices;

namespace AdaptiveSoftmax;

// The gradient, which is allocated when it is first asked for.
public sealed unsafe partial class Parameter
{
    private readonly RowSet? _touchedRows;
    private NativeFloats? _gradient;
    private bool _hasDenseGradient;
    private bool _isGradientLent;

    /// <summary>Which rows of the gradient a step can reach.</summary>
    public GradientLayout GradientLayout { get; }

    /// <summary>
    /// The gradient, row by row: [rows, columns]. Reading it changes nothing: where <see cref="HasGradient"/> is false it is
    /// all zeros, and so are the rows of a row-sparse one that were not touched. <see cref="TouchGradient"/> and
    /// <see cref="TouchGradientRow"/> give it to add to.
    /// </summary>
    /// <exception cref="InvalidOperationException">There are more values than a span holds; use <see cref="GradientRow"/>.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public ReadOnlySpan<float> Gradient
    {
        get
        {
            var length = SpanLength();
            return new ReadOnlySpan<float>(EnsureGradient(), length);
        }
    }

    /// <summary>
    /// Whether the parameter learns, as PyTorch's <c>requires_grad</c>. A frozen one takes no gradient: a backward pass leaves
    /// its share of the work out, and steps pass over it. Freezing forgets a gradient that is there. Files do not keep it.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public bool RequiresGradient
    {
        get;
        set
        {
            using var use = Use();
            if (!value) ClearGradient();
            field = value;
        }
    } = true;

    /// <summary>
    /// Whether something was added to the gradient since the last step. Optimizers and clipping skip a parameter
    /// without one, as PyTorch skips a parameter whose <c>grad</c> is None.
    /// </summary>
    public bool HasGradient => _touchedRows is null ? _hasDenseGradient : _touchedRows.Count > 0;

    /// <summary>The rows of a row-sparse gradient, in the order of their first touch; empty for a dense one.</summary>
    public ReadOnlySpan<int> TouchedRows => _touchedRows is null ? [] : _touchedRows.Rows;

    /// <summary>
    /// Whether the gradient was found to be finite since something was last added to it. Nobody answers for one that was lent as
    /// a span, since spans can be kept.
    /// </summary>
    internal bool GradientIsSound
    {
        get;
        set => field = value && !_isGradientLent;
    }

    /// <summary>How often the gradient was handed out to be added to, or cleared.</summary>
    internal int GradientTouches { get; private set; }

    /// <summary>The first value of the gradient; null where it was never allocated. Marks nothing.</summary>
    internal float* GradientPointer => _gradient is null ? null : _gradient.Pointer;

    /// <summary>The gradient of one row, [columns]. Reading it changes nothing.</summary>
    /// <param name="row">A row in [0, rows).</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public ReadOnlySpan<float> GradientRow(int row)
    {
        CheckRow(row);
        return new ReadOnlySpan<float>(EnsureGradient() + ((long)row * Columns), Columns);
    }

    /// <summary>The gradient to add to, [rows, columns]. Marks the parameter as having one, so that the next step moves it.</summary>
    /// <exception cref="InvalidOperationException">
    /// The gradient is row-sparse, or has more values than a span holds; use <see cref="TouchGradientRow"/>. Or the parameter is
    /// frozen.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public Span<float> TouchGradient()
    {
        CheckLearns();
        var length = SpanLength();
        _isGradientLent = true;
        return new Span<float>(TouchGradientPointer(), length);
    }

    /// <summary>The gradient of one row to add to, [columns]. Records the row as touched, so that the next step moves it.</summary>
    /// <param name="row">A row in [0, rows).</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="InvalidOperationException">The parameter is frozen.</exception>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public Span<float> TouchGradientRow(int row)
    {
        CheckRow(row);
        CheckLearns();
        _isGradientLent = true;
        GradientTouches++;
        var gradient = EnsureGradient();
        if (_touchedRows is null) _hasDenseGradient = true;
        else _touchedRows.Add(row);
        GradientIsSound = false;
        return new Span<float>(gradient + ((long)row * Columns), Columns);
    }

    /// <summary>Sets the gradient to zero without a step; afterwards <see cref="HasGradient"/> is false.</summary>
    /// <exception cref="ObjectDisposedException">The parameter is disposed.</exception>
    public void ZeroGradient()
    {
        using var use = Use();
        ClearGradient();
    }

    /// <summary>The same within a call that <see cref="Use"/> let in.</summary>
    internal void ClearGradient()
    {
        GradientTouches++;
        if (HasGradient)
        {
            if (_touchedRows is null)
            {
                NativeMemory.Clear(GradientPointer, (nuint)Count * sizeof(float));
            }
            else
            {
                foreach (var row in _touchedRows.Rows)
                    new Span<float>(GradientPointer + ((long)row * Columns), Columns).Clear();
            }
        }

        ForgetGradient();
    }

    /// <summary>
    /// Allocates a dense gradient if needed, marks it, and gives its first value; null where a borrowed parameter wants none
    /// and where it is frozen.
    /// </summary>
    internal float* TouchGradientPointer()
    {
        if (_touchedRows is not null)
            throw new InvalidOperationException($"The gradient of '{Name}' is row-sparse; add to it through {nameof(TouchGradientRow)}, which records the row.");
        if (!LearnsFromBackward) return null;
        var pointer = EnsureGradient();
        GradientTouches++;
        _hasDenseGradient = true;
        GradientIsSound = false;
        return pointer;
    }

    /// <summary>Whether a backward pass has a gradient to compute.</summary>
    internal bool LearnsFromBackward => RequiresGradient && !(_isBorrowed && _gradient is null);

    /// <summary>The touched rows in ascending order, which is the order of a step.</summary>
    internal ReadOnlySpan<int> SortTouchedRows()
    {
        if (_touchedRows is null) return [];
        _touchedRows.Sort();
        return _touchedRows.Rows;
    }

    /// <summary>Says that the gradient is all zeros again, which a step that zeroed it on its way does.</summary>
    internal void ForgetGradient()
    {
        _hasDenseGradient = false;
        _touchedRows?.Clear();
    }

    private float* EnsureGradient()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        _gradient ??= new NativeFloats(Count);
        return _gradient.Pointer;
    }

    private void CheckLearns()
    {
        if (!RequiresGradient)
            throw new InvalidOperationException($"'{Name}' is frozen, so it takes no gradient; ask {nameof(RequiresGradient)} before computing one, or set it.");
    }
}
