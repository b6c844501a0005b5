import { registry } from "@web/core/registry";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";
import { Component, onMounted, onWillUnmount } from "@odoo/owl";

const EVERY_MS = 2000;
const OPEN = ["queued", "running"];

/**
 * How far a run is, as a bar and a line, and the form around it kept true to the server: while the run
 * waits or runs, the record is read anew every two seconds. Not while somebody changes it, nor where
 * nobody looks at the page.
 */
export class SicantikLiveRun extends Component {
    static template = "sicantik_sidecar.LiveRun";
    static props = { ...standardWidgetProps, state: String, progress: String, status: String };

    setup() {
        this.reading = false;
        onMounted(() => {
            this.timer = setInterval(() => this.tick(), EVERY_MS);
        });
        onWillUnmount(() => clearInterval(this.timer));
    }

    get data() {
        return this.props.record.data;
    }

    get runState() {
        return this.data[this.props.state];
    }

    get percent() {
        return Math.round(this.data[this.props.progress] || 0);
    }

    get barClass() {
        return {
            queued: "bg-secondary",
            running: "progress-bar-striped progress-bar-animated",
            done: "bg-success",
            failed: "bg-danger",
            cancelled: "bg-dark opacity-50",
        }[this.runState];
    }

    get isLive() {
        return OPEN.includes(this.runState) || Boolean(this.data.sidecar_silent);
    }

    get isEdited() {
        const { record } = this.props;
        // What is being typed makes the record dirty only when the field is left.
        const typing = document.activeElement?.closest(".o_form_view input, .o_form_view textarea");
        return !record.resId || record.dirty || typing || document.querySelector(".o_dialog");
    }

    async tick() {
        if (this.reading || document.hidden || !this.isLive || this.isEdited) {
            return;
        }
        this.reading = true;
        try {
            await this.props.record.load();
        } catch {
            // Odoo is away or busy: the next look may find it again.
        } finally {
            this.reading = false;
        }
    }
}

registry.category("view_widgets").add("sicantik_live_run", {
    component: SicantikLiveRun,
    extractProps: ({ attrs }) => ({
        state: attrs.state || "state",
        progress: attrs.progress || "progress",
        status: attrs.status || "status_display",
    }),
});
