//! The link: CMSDK APB UART 0 with an interrupt that fills a queue. When the queue is full the interrupt is turned off
//! and the byte stays in the UART, so that the host waits and nothing is lost.

use core::cell::RefCell;
use core::convert::Infallible;

use cortex_m::interrupt::{InterruptNumber, Mutex, free};
use cortex_m::peripheral::NVIC;
use embedded_io::{ErrorType, Read, ReadReady, Write};
use heapless::spsc::{Consumer, Producer, Queue};

use crate::register::Register;

/// Received bytes that wait, and one place that the queue keeps empty.
pub type Received = Queue<u8, 4096>;

// SAFETY: the registers of UART 0 (Arm Application Note AN386, table 3-3; CMSDK technical reference, 4.3).
const DATA: Register = unsafe { Register::at(0x4000_4000) };
// SAFETY: as above.
const STATE: Register = unsafe { Register::at(0x4000_4004) };
// SAFETY: as above.
const CONTROL: Register = unsafe { Register::at(0x4000_4008) };
// SAFETY: as above.
const INTERRUPT: Register = unsafe { Register::at(0x4000_400c) };
// SAFETY: as above.
const BAUD_DIVISOR: Register = unsafe { Register::at(0x4000_4010) };

const TRANSMIT_FULL: u32 = 1;
const RECEIVE_FULL: u32 = 2;
const ENABLE: u32 = 1 | 2;
const ENABLE_WITH_INTERRUPT: u32 = ENABLE | 8;
const RECEIVE_INTERRUPT: u32 = 2;
/// 25 MHz / 217 = 115.2 kBd; the emulator does not mind.
const DIVISOR: u32 = 217;

static PRODUCER: Mutex<RefCell<Option<Producer<'static, u8>>>> = Mutex::new(RefCell::new(None));

/// The number of UART 0's receive interrupt.
#[derive(Clone, Copy)]
struct Receive;

// SAFETY: AN386 has far more than one interrupt, and number 0 is this one.
unsafe impl InterruptNumber for Receive {
    fn number(self) -> u16 {
        0
    }
}

/// UART 0.
pub struct Uart {
    received: Consumer<'static, u8>,
}

impl Uart {
    /// Turns the UART on.
    pub fn start(queue: &'static mut Received) -> Self {
        let (producer, received) = queue.split();
        free(|cs| PRODUCER.borrow(cs).replace(Some(producer)));
        BAUD_DIVISOR.write(DIVISOR);
        CONTROL.write(ENABLE_WITH_INTERRUPT);
        // SAFETY: the handler and the queue are in place; no critical section relies on this interrupt being masked.
        unsafe { NVIC::unmask(Receive) };
        Self { received }
    }

    /// Sleeps until an interrupt, unless bytes wait.
    pub fn sleep(&self) {
        // With interrupts held back none can slip in between the look and the sleep, and a pending one still wakes.
        free(|_| {
            if !self.received.ready() {
                cortex_m::asm::wfi();
            }
        });
    }
}

/// The receive interrupt's work.
pub fn on_interrupt() {
    free(|cs| {
        let mut producer = PRODUCER.borrow(cs).borrow_mut();
        let Some(producer) = producer.as_mut() else { return };
        loop {
            // Before the look at the state: a byte that comes after the look then raises the interrupt anew. The other way
            // round its interrupt could be wiped away, and with the byte never fetched no other would come.
            INTERRUPT.write(RECEIVE_INTERRUPT);
            if STATE.read() & RECEIVE_FULL == 0 {
                break;
            }
            if !producer.ready() {
                CONTROL.write(ENABLE);
                break;
            }
            // There is room, as was just asked.
            let _ = producer.enqueue(DATA.read() as u8);
        }
    });
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.received.ready())
    }
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        while !bytes.is_empty() && !self.received.ready() {
            self.sleep();
        }
        let mut count = 0;
        while let (Some(place), true) = (bytes.get_mut(count), self.received.ready()) {
            *place = self.received.dequeue().unwrap_or_default();
            count += 1;
        }
        if CONTROL.read() != ENABLE_WITH_INTERRUPT {
            // There is room again: turn the interrupt on, and fetch the byte that has waited since.
            CONTROL.write(ENABLE_WITH_INTERRUPT);
            on_interrupt();
        }
        Ok(count)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            self.flush()?;
            DATA.write(byte.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while STATE.read() & TRANSMIT_FULL != 0 {}
        Ok(())
    }
}
