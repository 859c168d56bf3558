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
        if imp(&sink).sends_on_arrival() {
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
        imp(&sink).preroll(&from_glib_borrow(buffer));
    }
    gst::ffi::GST_FLOW_OK
}

/// # Safety
///
/// `sink` must point to an instance of this class that outlives the reference.
unsafe fn imp(sink: &*mut GstBaseSink) -> &MjpegServerSink {
    // SAFETY: an instance of the class has this layout, and the caller keeps it alive.
    unsafe { (*sink.cast::<Instance>()).imp() }
}
