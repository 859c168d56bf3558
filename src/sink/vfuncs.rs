//! Two virtual functions of BaseSink that the bindings (0.25) do not offer.

use gst::{glib::translate::*, subclass::prelude::*};
use gst_base::ffi::{GstBaseSink, GstBaseSinkClass};

use super::imp::MjpegServerSink;

type Class = <MjpegServerSink as ObjectSubclass>::Class;
type Instance = <MjpegServerSink as ObjectSubclass>::Instance;

/// Overrides them in the element's class.
pub(super) fn install(class: &mut Class) {
    let class: *mut Class = class;
    // SAFETY: the class of a subclass of BaseSink begins with BaseSink's class, and nobody else has it while it is
    // being set up.
    let class = unsafe { &mut *class.cast::<GstBaseSinkClass>() };
    class.get_times = Some(get_times);
    class.preroll = Some(preroll);
}

/// BaseSink does not wait for what has no time. That leaves the meaning of its `sync` property as it is.
unsafe extern "C" fn get_times(
    sink: *mut GstBaseSink,
    buffer: *mut gst::ffi::GstBuffer,
    start: *mut gst::ffi::GstClockTime,
    end: *mut gst::ffi::GstClockTime,
) {
    // SAFETY: BaseSink calls this with an instance of this class, a buffer and two places to write to, valid for the
    // call; the parent's class is BaseSink's own.
    unsafe {
        let imp = imp(&sink);
        if gst::panic_to_error!(imp, false, { imp.sends_on_arrival() }) {
            *start = gst::ffi::GST_CLOCK_TIME_NONE;
            *end = gst::ffi::GST_CLOCK_TIME_NONE;
            return;
        }
        let parent = MjpegServerSink::type_data().as_ref().parent_class().cast::<GstBaseSinkClass>();
        if let Some(get_times) = (*parent).get_times {
            get_times(sink, buffer, start, end);
        }
    }
}

unsafe extern "C" fn preroll(sink: *mut GstBaseSink, buffer: *mut gst::ffi::GstBuffer) -> gst::ffi::GstFlowReturn {
    // SAFETY: BaseSink calls this with an instance of this class and a buffer that it keeps for the call.
    unsafe {
        let (imp, buffer) = (imp(&sink), from_glib_borrow(buffer));
        // As the bindings do for render(): a panic must not leave a function of C, it would end the application.
        let flow = gst::panic_to_error!(imp, gst::FlowReturn::Error, {
            imp.preroll(&buffer);
            gst::FlowReturn::Ok
        });
        flow.into_glib()
    }
}

/// # Safety
///
/// `sink` must point to an instance of this class that outlives the reference.
unsafe fn imp(sink: &*mut GstBaseSink) -> &MjpegServerSink {
    // SAFETY: an instance of the class has this layout, and the caller keeps it alive.
    unsafe { (*sink.cast::<Instance>()).imp() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use gst::prelude::*;

    use super::*;

    /// What a panic has left behind is not to be worked with: so it is with all functions that the bindings offer.
    #[test]
    fn after_a_panic_nothing_is_served() {
        gst::init().expect("GStreamer is there");
        let sink: crate::sink::MjpegServerSink = gst::glib::Object::new();
        let buffer = gst::Buffer::new();
        let buffer = buffer.as_mut_ptr();
        let pointer = sink.as_ptr().cast();
        // SAFETY: both live until the end of the test.
        assert_eq!(unsafe { preroll(pointer, buffer) }, gst::ffi::GST_FLOW_OK);
        sink.imp().panicked().store(true, Ordering::Relaxed);
        // SAFETY: as above.
        assert_eq!(unsafe { preroll(pointer, buffer) }, gst::ffi::GST_FLOW_ERROR);
    }
}
