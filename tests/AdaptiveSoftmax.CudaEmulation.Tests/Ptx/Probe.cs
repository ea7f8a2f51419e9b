using System.Globalization;
using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Ptx;

/// <summary>Runs a few instructions, one thread for each set of values.</summary>
internal static class Probe
{
    /// <summary>Runs instructions on 32-bit values.</summary>
    /// <param name="body">
    /// Instructions that read a to d, numbers of 32 bits, and write r or, of 64 bits, w; p, q and s are predicates, t is the
    /// thread's number, x and y are free and so is wide, of 64 bits. A label END stands behind them.
    /// </param>
    /// <param name="values">For each thread up to four values.</param>
    /// <returns>r and w of each thread.</returns>
    public static (uint R, ulong W)[] Run(string body, params uint[][] values)
    {
        var memory = new EmulatedMemory();
        var flat = new uint[values.Length * 4];
        for (var i = 0; i < values.Length; i++) values[i].CopyTo(flat, i * 4);
        var input = memory.Allocate<uint>(flat);
        var narrow = memory.Allocate<uint>(new uint[values.Length]);
        var wide = memory.Allocate<ulong>(new ulong[values.Length]);
        Launch(memory, 1, values.Length, body, input, narrow, wide);
        return [.. memory.Read<uint>(narrow).Zip(memory.Read<ulong>(wide))];
    }

    /// <summary>Runs instructions on each pair of floats.</summary>
    public static (uint R, ulong W)[] Run(string body, (float A, float B)[] values) =>
        Run(body, [.. values.Select(pair => new[] { BitConverter.SingleToUInt32Bits(pair.A), BitConverter.SingleToUInt32Bits(pair.B) })]);

    /// <summary>Runs instructions in any launch; r goes to the second buffer, one value a thread.</summary>
    public static void Launch(EmulatedMemory memory, int groups, int threads, string body, ulong input, ulong narrow, ulong wide) =>
        new EmulatedLaunch(memory, new(groups), new(threads), SharedBytes: 4096).Run(PtxParser.Parse(Text(threads, body)), input, narrow, wide);

    /// <summary>The text of a kernel.</summary>
    public static string Text(int threads, string body) => string.Create(CultureInfo.InvariantCulture, $$"""
        .version 7.8
        .target sm_80
        .address_size 64
        .extern .shared .align 16 .b8 __dyn_shared_alloca[];
        .visible .entry probe(.param .b64 input, .param .b64 narrow, .param .b64 wideOutput)
        .maxntid {{threads}}, 1, 1
        {
        .reg .b32 a, b, c, d, r, t, x, y, index, group;
        .reg .b64 from, to, wide, w, offset;
        .reg .pred p, q, s;
        mov.u32 t, %tid.x;
        mov.u32 group, %ctaid.x;
        mov.u32 x, %ntid.x;
        mad.lo.s32 index, group, x, t;
        ld.param.b64 from, [input];
        mul.wide.u32 offset, t, 16;
        add.s64 from, from, offset;
        ld.global.v4.b32 {a, b, c, d}, [from];
        mov.b32 r, 0;
        mov.b64 w, 0;
        {{body}}
        END:
        ld.param.b64 to, [narrow];
        mul.wide.u32 offset, index, 4;
        add.s64 to, to, offset;
        st.global.b32 [to], r;
        ld.param.b64 to, [wideOutput];
        mul.wide.u32 offset, index, 8;
        add.s64 to, to, offset;
        st.global.b64 [to], w;
        ret;
        }
        """);
}
