#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    health_chain_fuzz::program_dispatch(data);
});
